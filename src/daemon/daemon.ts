/**
 * The daemon, put together: configuration in, exit code out.
 *
 * Order of starting: token → store (lock, chain verified) → model → broker → log folded → control → start. Nothing
 * is sent before the first reconciliation has agreed, and no order before an operator has armed.
 */
import { mkdirSync } from 'node:fs';
import type { Logger } from 'pino';
import { timer } from 'rxjs';
import { LockstepClock, LockstepTimers } from '../../adapters/clock/lockstep.ts';
import { LockstepLink } from '../../adapters/clock/lockstep-link.ts';
import { SystemClock, SystemTimers } from '../../adapters/clock/system.ts';
import { haltFileIn } from '../../adapters/control/halt-file.ts';
import { createMetrics } from '../../adapters/control/metrics.ts';
import type { MetricsRegistry } from '../../adapters/control/metrics.ts';
import { startMonitorServer } from '../../adapters/control/monitor.ts';
import type { ControlCommand } from '../../adapters/control/protocol.ts';
import { startControlServer } from '../../adapters/control/server.ts';
import { createOandaBroker } from '../../adapters/oanda/client.ts';
import { openSqliteStore } from '../../adapters/sqlite/store.ts';
import type { Config } from '../../config/config.ts';
import { readToken } from '../../config/token.ts';
import { BrokerReadError } from '../../domain/broker.ts';
import type { Broker, FeedName } from '../../domain/broker.ts';
import type { Clock, Timers } from '../../domain/clock.ts';
import type { RunFacts } from '../../domain/desk/inputs.ts';
import type { DeskState } from '../../domain/desk/state.ts';
import type { EventStore } from '../../domain/log.ts';
import { StoreError } from '../../domain/log.ts';
import type { CommandResult } from '../../domain/safety.ts';
import { ALL_PROJECTIONS } from '../../projections/index.ts';
import { deskSettings } from '../desk-settings.ts';
import { liveLaneOf, performWith } from './effects.ts';
import { emergencyDirectories, lookForEmergency, watchForEmergency } from './emergency.ts';
import { FeedKeeper } from './feeds.ts';
import { Journal } from './journal.ts';
import { LockstepDriver } from './lockstep.ts';
import { observeWith } from './observers.ts';
import { loadPolicy, PolicySeat } from './policy.ts';
import { recoverDesk } from './recovery.ts';
import { EXIT, Runtime } from './runtime.ts';
import { readinessOf, statusOf } from './status.ts';
import { Timekeeper } from './timekeeper.ts';

export interface DaemonOptions {
  readonly config: Config;
  readonly configHash: string;
  readonly build: string;
  readonly logger: Logger;
}

/** Work in flight at a stop signal is given this long; what remains is resolved from the ledger at the next start. */
const STOP_GRACE_MS = 8_000;

interface Timekeeping {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly lockstep: LockstepDriver | null;
  /** Null in lockstep, which has but one time. */
  readonly keeper: Timekeeper | null;
}

/** The machine's time, or the local broker's. */
async function keepTime(config: Config, token: string): Promise<Timekeeping> {
  if (config.broker.clock === 'system') {
    const clock = new SystemClock();
    return { clock, timers: new SystemTimers(clock), lockstep: null, keeper: new Timekeeper(clock) };
  }
  const link = new LockstepLink({ restUrl: config.broker.restUrl, token });
  const clock = new LockstepClock((await link.status()).time);
  const timers = new LockstepTimers();
  return { clock, timers, lockstep: new LockstepDriver(link, clock, timers), keeper: null };
}

/** @throws StoreError where it cannot be made: without it there is no log. */
function makeDirectory(directory: string): void {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new StoreError(`${directory} cannot be made: ${error instanceof Error ? error.message : String(error)}; name a data directory that can be written`, { cause: error });
  }
}

/** Opens the log and proves it before anything is built on it. */
async function openLog(config: Config): Promise<EventStore> {
  makeDirectory(config.deployment.dataDirectory);
  const store = openSqliteStore({ directory: config.deployment.dataDirectory, projections: ALL_PROJECTIONS, deployment: config.deployment.name });
  const verdict = await store.verify();
  if (!verdict.ok) {
    await store.close();
    throw new StoreError(`the log is broken at ${verdict.stream}@${verdict.revision}: ${verdict.reason}; nothing was changed, restore a backup and run \`reckoner verify\``);
  }
  return store;
}

/** Runs until stopped, halted for good or broken. @returns the process's exit code. */
export async function runDaemon(options: DaemonOptions): Promise<number> {
  const { config, logger } = options;
  const token = readToken(config.broker.tokenFile, process.env['CREDENTIALS_DIRECTORY']);
  const store = await openLog(config);
  try {
    const time = await keepTime(config, token);
    const broker = createOandaBroker({
      restUrl: config.broker.restUrl,
      streamUrl: config.broker.streamUrl,
      accountId: config.broker.accountId,
      token,
      clock: time.clock,
      restDeadlineMs: config.broker.restDeadlineMs,
      ...(time.keeper === null ? { streamSilenceMsMax: 0, paced: false } : { onDate: time.keeper.dated }),
    });
    try {
      return await runOn(options, store, broker, time);
    } finally {
      time.lockstep?.close();
      await broker.close();
    }
  } catch (error) {
    if (error instanceof BrokerReadError) {
      logger.fatal({ failure: error.failure, detail: error.message }, 'the broker cannot be read: nothing was sent');
      return EXIT.unreachable;
    }
    throw error;
  } finally {
    await store.close();
  }
}

async function runOn(options: DaemonOptions, store: EventStore, broker: Broker, time: Timekeeping): Promise<number> {
  const { config, configHash, build, logger } = options;
  const loading = await loadPolicy(config.policy);
  const head = await store.head();
  const journalParts = { store, head, clock: time.clock, deployment: config.deployment.name, accountId: config.broker.accountId, build, configHash };
  if (!loading.ok) {
    const journal = new Journal({ ...journalParts, modelHash: '' });
    await journal.append([{ event: { type: 'ModelRejected', data: { check: loading.check, detail: loading.detail.slice(0, 2_000) } }, instrument: null, actor: 'daemon', occurredAt: time.clock.now(), correlationId: 'start', id: null, causedBy: null }]);
    logger.fatal({ check: loading.check, detail: loading.detail }, 'the model was refused');
    return EXIT.config;
  }
  const seat = new PolicySeat(config.policy, loading);
  const { policy } = seat;
  const settings = deskSettings(config, await broker.instruments(), policy.windowBars);
  const journal = new Journal({ ...journalParts, modelHash: policy.modelHash });
  const metrics = createMetrics({ clock: time.clock, build, configHash, modelLabel: policy.modelLabel, accountCurrency: config.broker.accountCurrency });
  const replies = new Map<number, (result: Omit<CommandResult, 'events'>) => void>();
  const instruments = settings.instruments.map((entry) => entry.instrument.name);
  const feeds: FeedKeeper[] = [];
  const connectFeeds = async (runtime: Runtime): Promise<void> => {
    if (time.lockstep !== null) return time.lockstep.connectFeeds(broker, instruments, runtime);
    feeds.push(new FeedKeeper({ broker, clock: time.clock, instruments, submit: (input) => runtime.submit(input), pause: (durationMs) => timer(durationMs), heartbeat: (at) => time.keeper?.heartbeat(at), seed: runtime.state.run.epoch }));
  };
  const reconnectFeed = (feed: FeedName, detail: string): void => feeds.forEach((keeper) => keeper.reconnect(feed, detail));
  const observe = observeWith(metrics, logger);
  const haltFile = haltFileIn(emergencyDirectories(config));
  const runtime = new Runtime({
    initial: await recoverDesk(store, settings),
    journal,
    clock: time.clock,
    timers: time.timers,
    perform: performWith({ broker, clock: time.clock, seat, connectFeeds, reconnectFeed, reply: (commandId, result) => replies.get(commandId)?.(result), haltFile }),
    laneOf: time.lockstep === null ? liveLaneOf : () => 'all',
    observed: observe,
  });
  const facts: RunFacts = {
    build,
    nodeVersion: process.version,
    configHash,
    modelHash: policy.modelHash,
    modelLabel: policy.modelLabel,
    policyName: policy.name,
    featureSetId: policy.featureSetId,
    trained: loading.trained,
    environment: config.broker.environment,
  };
  const stopServers = await startServers(config, runtime, replies, metrics, time, logger);
  const removeSignals = stopOnSignals(runtime);
  // Accelerated time has no seconds to look in: there, each opening order is looked before.
  const stopLooking = time.lockstep === null ? watchForEmergency(runtime, haltFile, config) : () => undefined;
  try {
    runtime.submit({ kind: 'start', run: facts });
    lookForEmergency(runtime, haltFile, config, logger);
    time.keeper?.attach({ submit: (input) => runtime.submit(input), measured: (offsetMs) => journal.measureClockOffset(offsetMs) });
    if (time.lockstep !== null) void time.lockstep.follow(runtime);
    const { exitCode, reason } = await runtime.ended;
    await runtime.conclude();
    logger[exitCode === EXIT.ok || exitCode === EXIT.stoppedHalted ? 'info' : 'fatal']({ exitCode, reason }, 'daemon stopped');
    return exitCode;
  } finally {
    removeSignals();
    stopLooking();
    time.keeper?.close();
    for (const keeper of feeds) keeper.close();
    runtime.close();
    await stopServers();
    await seat.close();
  }
}

type Replies = Map<number, (result: Omit<CommandResult, 'events'>) => void>;

async function startServers(config: Config, runtime: Runtime, replies: Replies, metrics: MetricsRegistry, time: Timekeeping, logger: Logger): Promise<() => Promise<void>> {
  let commands = 0;
  const onFault = (fault: Error): void => logger.error({ detail: fault.message }, 'control plane');
  const command = async (spoken: ControlCommand): Promise<{ accepted: boolean; message: string; mode: DeskState['safety']['mode'] }> => {
    commands += 1;
    const commandId = commands;
    const result = await new Promise<Omit<CommandResult, 'events'>>((resolve) => {
      replies.set(commandId, resolve);
      runtime.submit(spoken.verb === 'swap-model' ? { kind: 'swapModel', commandId, command: spoken } : { kind: 'operator', commandId, command: spoken });
    });
    replies.delete(commandId);
    return { ...result, mode: runtime.state.safety.mode };
  };
  const control = await startControlServer({
    socketPath: config.control.socketPath,
    handler: { command, status: () => Promise.resolve(statusOf(runtime.state, time.clock.now(), time.lockstep?.bars ?? null)) },
    onFault,
  });
  const monitor = config.control.httpPort === 'off'
    ? null
    : await startMonitorServer({ host: config.control.httpHost, port: config.control.httpPort, readiness: () => readinessOf(runtime.state), metrics, onFault });
  if (monitor !== null) logger.info({ port: monitor.port }, 'health, readiness and metrics');
  return async () => {
    await control.close();
    await monitor?.close();
  };
}

/**
 * A signal stops in order, whatever is in flight given its grace. More of them change nothing: a terminal and a
 * launcher may both pass on the same one, and the grace is short.
 */
function stopOnSignals(runtime: Runtime): () => void {
  let stopping = false;
  const stop = (signal: NodeJS.Signals): void => {
    if (stopping) return;
    stopping = true;
    const grace = AbortSignal.timeout(STOP_GRACE_MS);
    const waited = new Promise<void>((resolve) => grace.addEventListener('abort', () => resolve()));
    void Promise.race([runtime.idle(), waited]).then(() => runtime.end(runtime.state.safety.mode === 'HALTED' ? EXIT.stoppedHalted : EXIT.ok, signal));
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  return () => {
    process.off('SIGTERM', stop);
    process.off('SIGINT', stop);
  };
}
