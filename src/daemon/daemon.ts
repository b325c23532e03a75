/**
 * The daemon, put together: configuration in, exit code out.
 *
 * Order of starting: token → store (lock, chain verified) → model → broker → log folded → control → start. Nothing
 * is sent before the first reconciliation has agreed, and no order before an operator has armed.
 */
import type { Logger } from 'pino';
import { timer } from 'rxjs';
import { LockstepClock, LockstepTimers } from '../../adapters/clock/lockstep.ts';
import { LockstepLink } from '../../adapters/clock/lockstep-link.ts';
import { SystemClock, SystemTimers } from '../../adapters/clock/system.ts';
import { haltFileIn } from '../../adapters/control/halt-file.ts';
import { createMetrics } from '../../adapters/control/metrics.ts';
import type { MetricsRegistry } from '../../adapters/control/metrics.ts';
import { startMonitorServer } from '../../adapters/control/monitor.ts';
import type { ControlCommand, ControlOutcome } from '../../adapters/control/protocol.ts';
import { startControlServer } from '../../adapters/control/server.ts';
import { createOandaBroker } from '../../adapters/oanda/client.ts';
import { watchDepartures } from '../../adapters/oanda/departures.ts';
import type { Config } from '../../config/config.ts';
import { readToken } from '../../config/token.ts';
import { BrokerReadError } from '../../domain/broker.ts';
import type { Broker, FeedName } from '../../domain/broker.ts';
import type { Clock, Timers } from '../../domain/clock.ts';
import type { RunFacts } from '../../domain/desk/inputs.ts';
import type { CommandResult } from '../../domain/safety.ts';
import { deskSettings } from '../desk-settings.ts';
import { CheckpointKeeper } from './checkpoint.ts';
import { watchDisk } from './disk.ts';
import { liveLaneOf, performWith } from './effects.ts';
import { EgressCheck } from './egress.ts';
import { emergencyDirectories, lookForEmergency, watchForEmergency } from './emergency.ts';
import { FeedKeeper } from './feeds.ts';
import { Journal } from './journal.ts';
import { LockstepDriver } from './lockstep.ts';
import { observeWith } from './observers.ts';
import { loadPolicy, PolicySeat } from './policy.ts';
import type { OpenLog } from './opening.ts';
import { knownDesk, openLog, proveBeside } from './opening.ts';
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

/** Runs until stopped, halted for good or broken. @returns the process's exit code. */
export async function runDaemon(options: DaemonOptions): Promise<number> {
  const { config, logger } = options;
  const token = readToken(config.broker.tokenFile, process.env['CREDENTIALS_DIRECTORY']);
  const log = await openLog(options);
  const { store } = log;
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
      return await runOn(options, log, broker, time);
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

async function runOn(options: DaemonOptions, log: OpenLog, broker: Broker, time: Timekeeping): Promise<number> {
  const { store, checkpoints } = log;
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
  const keeper = new CheckpointKeeper({ checkpoints, head: () => journal.head(), failed: (error) => logger.error({ detail: String(error) }, 'the checkpoint cannot be written') });
  const egress = new EgressCheck();
  const haltFile = haltFileIn(emergencyDirectories(config));
  const runtime = new Runtime({
    initial: await knownDesk(log, settings, logger),
    journal,
    clock: time.clock,
    timers: time.timers,
    perform: performWith({ broker, clock: time.clock, seat, connectFeeds, reconnectFeed, reply: (commandId, result) => replies.get(commandId)?.(result), haltFile }),
    laneOf: time.lockstep === null ? liveLaneOf : () => 'all',
    recorded: (told) => egress.recorded(told),
    observed: (state, told) => {
      observe(state, told);
      keeper.observed(state, told.length);
    },
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
  const watches = [watchDepartures(config.broker, (departure) => {
    if (!egress.accountsFor(departure)) runtime.submit({ kind: 'unaccounted', ...departure });
  })];
  try {
    runtime.submit({ kind: 'start', run: facts });
    lookForEmergency(runtime, haltFile, config, logger);
    time.keeper?.attach({ submit: (input) => runtime.submit(input), measured: (offsetMs) => journal.measureClockOffset(offsetMs) });
    if (!log.isProvedWhole) watches.push(proveBeside(store, (detail) => runtime.end(EXIT.store, detail)));
    // Accelerated time has no seconds to look in: there, the HALT file is looked for before each opening order.
    if (time.lockstep !== null) void time.lockstep.follow(runtime);
    else watches.push(watchForEmergency(runtime, haltFile, config), diskWatch(config, runtime, logger));
    const { exitCode, reason } = await runtime.ended;
    await runtime.conclude();
    if (exitCode === EXIT.ok || exitCode === EXIT.stoppedHalted) keeper.write(runtime.state);
    logger[exitCode === EXIT.ok || exitCode === EXIT.stoppedHalted ? 'info' : 'fatal']({ exitCode, reason }, 'daemon stopped');
    return exitCode;
  } finally {
    removeSignals();
    for (const endWatch of watches) endWatch();
    time.keeper?.close();
    for (const keeper of feeds) keeper.close();
    runtime.close();
    await stopServers();
    await seat.close();
  }
}

const diskWatch = (config: Config, runtime: Runtime, logger: Logger): (() => void) => watchDisk({
  directory: config.deployment.dataDirectory,
  measured: (freeBytes) => runtime.submit({ kind: 'diskMeasured', freeBytes }),
  failed: (error) => logger.error({ detail: String(error) }, 'the disk cannot be measured'),
});

type Replies = Map<number, (result: Omit<CommandResult, 'events'>) => void>;

async function startServers(config: Config, runtime: Runtime, replies: Replies, metrics: MetricsRegistry, time: Timekeeping, logger: Logger): Promise<() => Promise<void>> {
  let commands = 0;
  const onFault = (fault: Error): void => logger.error({ detail: fault.message }, 'control plane');
  const command = async (spoken: ControlCommand): Promise<ControlOutcome> => {
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
