/**
 * Drills: a broker that fails as a plan says, a daemon against it, and the records of both.
 *
 * In lockstep everything runs in the test's own process over real sockets, as fast as the machine: the broker is
 * held until the daemon is READY and armed, the plan's faults come at their market times, and the daemon ends with
 * the market. In real time the daemon is a process of its own, and faults come by command.
 */
import { pino } from 'pino';
import { onTestFinished } from 'vitest';
import { LockstepLink } from '../../adapters/clock/lockstep-link.ts';
import { planOf } from '../../adapters/broker/faults/plan.ts';
import { proxyPlanOf } from '../../adapters/broker/faults/proxy-plan.ts';
import { FaultProxy } from '../../adapters/broker/faults/tcp-proxy.ts';
import type { LocalBroker } from '../../adapters/broker/local-broker.ts';
import { startLocalBroker } from '../../adapters/broker/local-broker.ts';
import type { LocalBrokerOptions } from '../../adapters/broker/options.ts';
import { openSqliteStore } from '../../adapters/sqlite/store.ts';
import { loadConfig } from '../../config/load.ts';
import type { EventOf, EventType } from '../../domain/events.ts';
import { parseInstant } from '../../domain/time.ts';
import { BUILD } from '../../src/commands/common.ts';
import { runDaemon } from '../../src/daemon/daemon.ts';
import { eventsOf } from '../../src/daemon/recovery.ts';
import type { Log } from '../e2e/log.ts';
import { readLog } from '../e2e/log.ts';
import type { BrokerAddress, Child, Settings, Transaction } from '../e2e/processes.ts';
import { DEMO_PROFILE, ROOT, Workplace, until } from '../e2e/processes.ts';

const ACCOUNT = '101-001-1000001-001';
const WAIT_MS_MAX = 120_000;
const PAGE_TRANSACTIONS = 1_000;

/** A policy that wants something nearly every minute, under limits that do not get in its way. */
const BUSY: Settings = {
  'policy.kind': 'random',
  'policy.seed': '7',
  'policy.holdShare': '0.3',
  'safety.ordersPerHourMax': '1000',
  'safety.ordersPerDayMax': '10000',
  'safety.slippageShareMax': '1',
  'safety.slippageStrikesMax': '100',
};

export interface DrillPlan {
  /** Entries of a fault plan: kinds, presets or rows. */
  readonly faults: readonly object[];
  /** A storm of them, as a plan spells it. */
  readonly storm?: object;
  readonly seed?: number;
  /** Lockstep: bars that the market goes on for. */
  readonly bars?: number;
  /** Configuration that differs from the busy policy's. */
  readonly settings?: Settings;
  readonly broker?: Partial<LocalBrokerOptions>;
  /** What a TCP proxy before the REST port does; none when left out. */
  readonly toxics?: readonly object[];
}

/** An entry of the broker's fault log. */
export interface FaultRecord {
  readonly record: string;
  readonly time: string;
  readonly id: string;
  readonly [key: string]: unknown;
}

/** What a drill in lockstep came to. */
export interface DrillOutcome {
  readonly exitCode: number;
  readonly log: Log;
  /** The broker's own ledger. */
  readonly transactions: readonly Transaction[];
  readonly faults: readonly FaultRecord[];
  /** Open trades at the broker, by its own word. */
  readonly openTrades: readonly { readonly id: string; readonly currentUnits: string }[];
}

export class Drill {
  readonly place: Workplace;
  readonly broker: LocalBroker;
  /** Stands before the broker's REST port; null without toxics. */
  readonly proxy: FaultProxy | null;
  readonly settings: Settings;

  private constructor(place: Workplace, broker: LocalBroker, proxy: FaultProxy | null, settings: Settings) {
    this.place = place;
    this.broker = broker;
    this.proxy = proxy;
    this.settings = settings;
  }

  /** Prepares a drill inside a test; it ends with the test, whatever came of it. */
  static async prepare(clock: 'lockstep' | 'realtime', plan: DrillPlan): Promise<Drill> {
    const place = new Workplace();
    const lockstep: Partial<LocalBrokerOptions> = { hold: true, drawnBars: plan.bars ?? 60 };
    const broker = await startLocalBroker({
      clock,
      port: 0,
      tokenFile: place.tokenFile,
      account: ACCOUNT,
      seed: 7,
      ...(clock === 'lockstep' ? lockstep : { alwaysOpen: true, instruments: ['EUR_USD'] }),
      faults: planOf({ seed: plan.seed ?? 1, faults: plan.faults, ...(plan.storm === undefined ? {} : { storm: plan.storm }) }),
      ...plan.broker,
    });
    onTestFinished(() => broker.close());
    const proxy = plan.toxics === undefined ? null : await FaultProxy.start({ to: { host: '127.0.0.1', port: Number(new URL(broker.rest).port) }, port: 0, plan: proxyPlanOf({ seed: plan.seed ?? 1, toxics: plan.toxics }) });
    if (proxy !== null) onTestFinished(() => proxy.close());
    const settings = { ...BUSY, ...(clock === 'realtime' ? { 'broker.clock': 'system', 'calendar.alwaysOpen': 'true' } : {}), ...plan.settings };
    return new Drill(place, broker, proxy, settings);
  }

  /** Where the daemon finds the broker: behind the proxy where there is one. */
  get address(): BrokerAddress {
    return { rest: this.proxy === null ? this.broker.rest : `http://127.0.0.1:${this.proxy.port}`, stream: this.broker.stream };
  }

  /** Runs a daemon in this process from READY and armed to the market's end, or to its own. */
  async run(): Promise<DrillOutcome> {
    const { config, hash } = loadConfig({ file: DEMO_PROFILE, environment: this.place.environment(this.settings, this.address), baseDirectory: ROOT });
    const daemon = runDaemon({ config, configHash: hash, build: BUILD, logger: pino({ level: 'silent' }) });
    let ended = false;
    void daemon.finally(() => (ended = true));
    await until('the daemon becoming READY', async () => (ended || (await this.place.status())?.ready === true ? true : null));
    if (!ended) {
      await this.place.arm('a drill');
      await this.release();
    }
    const exitCode = await daemon;
    const [transactions, faults] = [await this.transactions(), await this.faultLog()];
    const { trades } = (await this.#get(`/v3/accounts/${ACCOUNT}/openTrades`, { clearFirst: true })) as { readonly trades: DrillOutcome['openTrades'] };
    return { exitCode, log: await readLog(this.place.dataDirectory), transactions, faults, openTrades: trades };
  }

  /** Starts a daemon as a process of its own, as real time needs it. */
  startDaemon(extra: NodeJS.ProcessEnv = {}): Child {
    return this.place.startDaemon({ address: this.address }, this.settings, DEMO_PROFILE, extra);
  }

  /** Lets a held market go. */
  async release(): Promise<void> {
    const link = new LockstepLink({ restUrl: this.broker.rest, token: this.place.token });
    await link.start();
    await link.close();
  }

  /** Lets a market that was let go move on to a time with nobody listening. */
  async goOn(until: string): Promise<void> {
    const link = new LockstepLink({ restUrl: this.broker.rest, token: this.place.token });
    await link.advance({ acknowledge: 0, nextTimer: null, until: parseInstant(until) });
    await link.close();
  }

  /** Injects a fault now. */
  async inject(fault: object): Promise<void> {
    await this.#post('/faults', fault);
  }

  /** Ends every fault. */
  async clear(): Promise<void> {
    await this.#post('/faults/clear', {});
  }

  async faultLog(): Promise<readonly FaultRecord[]> {
    const { entries } = (await this.#get('/faults/log')) as { readonly entries: readonly FaultRecord[] };
    return entries;
  }

  /** The broker's whole ledger, read when no fault is left to hide or spoil it. */
  async transactions(): Promise<readonly Transaction[]> {
    const found: Transaction[] = [];
    for (;;) {
      const page = (await this.#get(`/v3/accounts/${ACCOUNT}/transactions/sinceid?id=${found.at(-1)?.id ?? 0}`, { clearFirst: true })) as { readonly transactions: readonly Transaction[] };
      found.push(...page.transactions);
      if (page.transactions.length < PAGE_TRANSACTIONS) return found;
    }
  }

  /** Waits until the daemon's log holds an event of a type that fits, and answers with it; the log is read beside its writer. */
  async event<Type extends EventType>(type: Type, fits: (event: EventOf<Type>) => boolean = () => true, needed: readonly Child[] = []): Promise<EventOf<Type>> {
    return until(`${type} in the log`, async () => (await this.#events(type)).find(fits) ?? null, needed, WAIT_MS_MAX);
  }

  /** Waits until the daemon's log holds so many events of a type. */
  async events<Type extends EventType>(type: Type, count: number, needed: readonly Child[] = []): Promise<readonly EventOf<Type>[]> {
    return until(`${count} of ${type} in the log`, async () => {
      const found = await this.#events(type);
      return found.length >= count ? found : null;
    }, needed, WAIT_MS_MAX);
  }

  async #events<Type extends EventType>(type: Type): Promise<readonly EventOf<Type>[]> {
    const store = openSqliteStore({ directory: this.place.dataDirectory, projections: [], readOnly: true });
    try {
      const found: EventOf<Type>[] = [];
      for await (const { event } of eventsOf(store)) if (event.type === type) found.push(event as EventOf<Type>);
      return found;
    } finally {
      await store.close();
    }
  }

  async #get(path: string, { clearFirst = false } = {}): Promise<unknown> {
    if (clearFirst) await this.clear();
    const reply = await fetch(this.broker.rest + path, { headers: { authorization: `Bearer ${this.place.token}` } });
    if (!reply.ok) throw new Error(`GET ${path}: status ${reply.status}`);
    return reply.json();
  }

  async #post(path: string, body: object): Promise<void> {
    const reply = await fetch(this.broker.rest + path, { method: 'POST', headers: { authorization: `Bearer ${this.place.token}` }, body: JSON.stringify(body) });
    if (!reply.ok) throw new Error(`POST ${path}: status ${reply.status}: ${await reply.text()}`);
  }
}

/** Prepares and runs a drill in lockstep. */
export async function drill(plan: DrillPlan): Promise<DrillOutcome> {
  return (await Drill.prepare('lockstep', plan)).run();
}
