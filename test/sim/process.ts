/** One process of the daemon, from its start to its end: the real loop, journal, effects, feeds and timekeeper on simulated ports. */
import { Observable } from 'rxjs';
import type { Clock } from '../../domain/clock.ts';
import type { RunFacts } from '../../domain/desk/inputs.ts';
import type { DeskState } from '../../domain/desk/state.ts';
import type { CommandResult, OperatorCommand } from '../../domain/safety.ts';
import type { Instant } from '../../domain/time.ts';
import { instantOf } from '../../domain/time.ts';
import { liveLaneOf, performWith } from '../../src/daemon/effects.ts';
import { EgressCheck } from '../../src/daemon/egress.ts';
import { FeedKeeper } from '../../src/daemon/feeds.ts';
import { Journal } from '../../src/daemon/journal.ts';
import type { PolicySeat } from '../../src/daemon/policy.ts';
import { recoverDesk } from '../../src/daemon/recovery.ts';
import { EXIT, Runtime } from '../../src/daemon/runtime.ts';
import { Timekeeper } from '../../src/daemon/timekeeper.ts';
import type { Draws } from './draws.ts';
import { SimBroker } from './link.ts';
import { SimTimers } from './machine.ts';
import { seatOf } from './policies.ts';
import type { Owner } from './scheduler.ts';
import { FaultyStore } from './store.ts';
import type { World } from './world.ts';

const BUILD = 'sim';

export class SimProcess implements Owner {
  readonly #world: World;
  readonly #draws: Draws;
  readonly #broker: SimBroker;
  readonly #keeper: Timekeeper;
  readonly #egress = new EgressCheck();
  #alive = true;
  #runtime: Runtime | null = null;
  #feeds: FeedKeeper | null = null;
  #commands = 0;
  heldUpUntil = 0;
  /** Set by an append that failed: from then on nothing may leave. */
  storeFailed = false;

  constructor(world: World, draws: Draws) {
    this.#world = world;
    this.#draws = draws;
    this.#broker = new SimBroker(world, this, draws);
    this.#keeper = new Timekeeper(world.machine, (intervalMs, callback) => this.#every(intervalMs, callback));
  }

  get alive(): boolean {
    return this.#alive;
  }

  get clock(): Clock {
    return this.#world.machine;
  }

  get state(): DeskState | null {
    return this.#runtime?.state ?? null;
  }

  /** As `runDaemon`: the log is folded before anything is built on it. That it is a chain is judged at the end. */
  async start(): Promise<void> {
    const world = this.#world;
    const store = new FaultyStore(world.log, {
      appending: (events) => world.appending(events),
      durable: (drafts) => world.durable(drafts),
      refused: () => {
        this.storeFailed = true;
      },
      appended: () => this.point('append acknowledged'),
      kill: (label) => this.#die(label),
    });
    const settings = world.settings;
    const seat = seatOf(world);
    const journal = new Journal({
      store, head: await store.head(), clock: this.clock, deployment: settings.deployment, accountId: settings.accountId, build: BUILD, configHash: world.configHash, modelHash: seat.policy.modelHash,
    });
    const initial = await recoverDesk(store, settings, null);
    world.recovered(initial);
    const runtime = this.#build(seat, journal, initial);
    this.#runtime = runtime;
    void this.#followToTheEnd(runtime);
    runtime.submit({ kind: 'start', run: runFacts(world, seat) });
    this.#keeper.attach({ submit: (input) => runtime.submit(input), measured: (offsetMs) => journal.measureClockOffset(offsetMs) });
  }

  #build(seat: PolicySeat, journal: Journal, initial: DeskState): Runtime {
    const world = this.#world;
    return new Runtime({
      initial,
      journal,
      clock: this.clock,
      timers: new SimTimers(world.machine, world.scheduler, this, this.#draws),
      perform: performWith({
        broker: this.#broker,
        clock: this.clock,
        seat,
        connectFeeds: async (runtime) => this.#connectFeeds(runtime),
        reconnectFeed: (feed, detail) => this.#feeds?.reconnect(feed, detail),
        reply: (_commandId, result) => world.replied(result),
        // Nobody closes by hand beside this daemon.
        haltFile: { find: () => null, remove: () => null },
      }),
      laneOf: liveLaneOf,
      recorded: (told) => this.#egress.recorded(told),
      observed: (state, told) => world.observed(state, told, this),
    });
  }

  #connectFeeds(runtime: Runtime): void {
    const world = this.#world;
    this.#feeds = new FeedKeeper({
      broker: this.#broker,
      clock: this.clock,
      instruments: world.settings.instruments.map(({ instrument }) => instrument.name),
      submit: (input) => runtime.submit(input),
      pause: (durationMs) => this.#pause(durationMs),
      heartbeat: (at) => this.#keeper.heartbeat(at),
      seed: runtime.state.run.epoch,
    });
  }

  /** As the daemon: the last fact is told once the loop has ended, if the store still takes it. */
  async #followToTheEnd(runtime: Runtime): Promise<void> {
    const { exitCode, reason } = await runtime.ended;
    const { storeFailed } = this;
    await runtime.conclude().catch(() => undefined);
    if (!this.#alive) return;
    this.#end();
    this.#world.processEnded(exitCode, reason, storeFailed);
  }

  // --- what the world does to it ---

  /** Runs what has come to the process, and lets the world know that there may be something to settle. */
  resume(act: () => void): void {
    if (!this.#alive) return;
    this.#world.touched();
    act();
  }

  command(command: OperatorCommand): void {
    this.#commands += 1;
    this.resume(() => this.#runtime?.submit({ kind: 'operator', commandId: this.#commands, command }));
  }

  diskMeasured(freeBytes: number): void {
    this.resume(() => this.#runtime?.submit({ kind: 'diskMeasured', freeBytes }));
  }

  /** A signal to stop in order. */
  stop(): void {
    this.resume(() => this.#runtime?.end(this.#runtime.state.safety.mode === 'HALTED' ? EXIT.stoppedHalted : EXIT.ok, 'SIGTERM'));
  }

  cutStreams(): void {
    this.#broker.cut();
  }

  /** An I/O point: the process may end here, and then never gets past it. */
  point(label: string): Promise<void> {
    if (!this.#alive) return never();
    return this.#world.faults.killsHere() ? this.#die(label) : Promise.resolve();
  }

  /** A request's headers are written: whoever sent it, an intent must stand behind it. */
  departs(method: string, path: string): void {
    if (!this.#egress.accountsFor({ method, path })) this.#runtime?.submit({ kind: 'unaccounted', method, path });
  }

  dated(brokerNow: Instant, sentAt: Instant): void {
    this.#keeper.dated(instantOf(Math.floor(brokerNow / 1_000) * 1_000), sentAt, this.clock.now());
  }

  #die(label: string): Promise<never> {
    this.#end();
    this.#world.processKilled(label);
    return never();
  }

  #end(): void {
    this.#alive = false;
    this.#keeper.close();
    this.#feeds?.close();
    this.#runtime?.close();
    void this.#broker.close();
  }

  // --- time ---

  /** Where no clock is moved and no loop held up, looking every second finds nothing, and is left out. */
  #every(intervalMs: number, callback: () => void): () => void {
    const { scheduler, options } = this.#world;
    if (!options.faults.has('clockJump') && !options.faults.has('stall')) return () => {};
    let isOver = false;
    const again = (): void => {
      scheduler.after(intervalMs, this, () => {
        if (isOver) return;
        this.resume(callback);
        again();
      });
    };
    again();
    return () => {
      isOver = true;
    };
  }

  #pause(durationMs: number): Observable<null> {
    return new Observable((subscriber) => {
      const pending = this.#world.scheduler.after(durationMs, this, () => this.resume(() => {
        subscriber.next(null);
        subscriber.complete();
      }));
      return () => {
        pending.cancelled = true;
      };
    });
  }
}

const never = (): Promise<never> => new Promise<never>(() => {});

const runFacts = ({ configHash }: World, { policy }: PolicySeat): RunFacts => ({
  build: BUILD, nodeVersion: 'v26', configHash, modelHash: policy.modelHash, modelLabel: policy.modelLabel, policyName: policy.name, featureSetId: policy.featureSetId, trained: true, environment: 'local',
});

export type Replied = Omit<CommandResult, 'events'>;
