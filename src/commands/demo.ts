/**
 * `reckoner demo`: two real processes, the local broker and the daemon, over the very adapter that live trading
 * uses; then four accounts of the same trades (log, read models, replay, broker) held side by side.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { LockstepLink } from '../../adapters/clock/lockstep-link.ts';
import { SystemClock } from '../../adapters/clock/system.ts';
import { DaemonNotRunningError, fetchStatus, sendCommand } from '../../adapters/control/client.ts';
import { createOandaBroker } from '../../adapters/oanda/client.ts';
import { loadConfig } from '../../config/load.ts';
import type { Config } from '../../config/config.ts';
import type { AccountSnapshot } from '../../domain/broker.ts';
import { UsageError, sayJson, warn } from './common.ts';
import { progressBar } from './progress.ts';
import type { BrokerPosition } from './demo-report.ts';
import { demoReport, positionsSchema, sayDemoReport } from './demo-report.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const MAIN = join(ROOT, 'src/main.ts');
interface Profile {
  readonly file: string;
  /** Bars to draw of each instrument, and from when: so that they hold a weekend. */
  readonly bars: string;
  readonly from: string;
}

/** What a demo trades, by the name that `--profile` or RECKONER_DEMO gives. */
const PROFILES: { readonly [name: string]: Profile } = {
  one: { file: join(ROOT, 'config/profiles/demo.yaml'), bars: '3000', from: '2026-01-08T08:00:00Z' },
  three: { file: join(ROOT, 'config/profiles/demo-three.yaml'), bars: '800', from: '2026-01-09T12:00:00Z' },
};
const SEED = '1';
const START_MS_MAX = 60_000;
const POLL_MS = 100;

interface BrokerAddress {
  readonly rest: string;
  readonly stream: string;
  readonly token: string;
  readonly account: string;
}

/** The market of the demo: drawn, or the user's own files: one for the plain demo, NAME=FILE with commas for several instruments. */
function marketArguments(environment: NodeJS.ProcessEnv, { instruments }: Config, drawn: Profile): readonly string[] {
  const bars = environment['RECKONER_BARS'];
  const names = instruments.map(({ name }) => name);
  if (bars === undefined) return ['--instrument', names.join(','), '--seed', SEED, '--drawn-bars', drawn.bars, '--drawn-from', drawn.from];
  const files = names.length === 1 ? [resolve(bars)] : bars.split(',').map((part) => part.replace(/^([^=]*=)?(.*)$/, (_whole, name: string | undefined, file: string) => `${name ?? ''}${resolve(file)}`));
  const spread = environment['RECKONER_SPREAD_PIPS'];
  return ['--instrument', names.join(','), ...files.flatMap((file) => ['--bars', file]), ...(spread === undefined ? [] : ['--spread-pips', spread])];
}

/** The demo's own variables are no keys of the configuration; the children get the configuration's alone. */
function childEnvironment(broker: BrokerAddress | null, tokenFile?: string): NodeJS.ProcessEnv {
  const { RECKONER_BARS: _bars, RECKONER_DEMO: _profile, RECKONER_INSTRUMENT: instrument, RECKONER_SPREAD_PIPS: _spread, ...others } = process.env;
  const rest = instrument === undefined ? others : { ...others, RECKONER_INSTRUMENTS_0_NAME: instrument };
  if (broker === null) return rest;
  return {
    // The report is the demo's output; the daemon speaks up only when something is wrong.
    RECKONER_LOGGING_LEVEL: 'error',
    ...rest,
    RECKONER_BROKER_REST_URL: broker.rest,
    RECKONER_BROKER_STREAM_URL: broker.stream,
    ...(tokenFile === undefined ? {} : { RECKONER_BROKER_TOKEN_FILE: tokenFile }),
  };
}

const start = (commandLine: readonly string[], environment: NodeJS.ProcessEnv): ChildProcess =>
  spawn(process.execPath, [MAIN, ...commandLine], { cwd: ROOT, env: environment, stdio: ['ignore', 'pipe', 'inherit'] });

/** The exit code of a child, however it ended. */
const ended = (child: ChildProcess): Promise<number> =>
  new Promise((resolveCode) => {
    if (child.exitCode !== null) resolveCode(child.exitCode);
    else child.once('exit', (code) => resolveCode(code ?? 1));
  });

/** The broker's one line: where it listens. */
async function addressOf(broker: ChildProcess): Promise<BrokerAddress> {
  const lines = createInterface({ input: broker.stdout! });
  const line = await Promise.race([new Promise<string>((resolveLine) => lines.once('line', resolveLine)), ended(broker).then(() => null)]);
  lines.close();
  if (line === null) throw new UsageError('the local broker did not start; what it said stands above');
  return JSON.parse(line) as BrokerAddress;
}

/** Waits until the daemon is ready, then arms it the way an operator would: over its socket. */
async function armWhenReady(socketPath: string, daemon: ChildProcess): Promise<void> {
  const deadline = AbortSignal.timeout(START_MS_MAX);
  while (!deadline.aborted && daemon.exitCode === null) {
    const status = await fetchStatus(socketPath).catch((error: unknown) => {
      if (error instanceof DaemonNotRunningError) return null;
      throw error;
    });
    if ((status as { ready?: boolean } | null)?.ready === true) {
      const outcome = await sendCommand(socketPath, { verb: 'arm', operator: 'demo', reason: 'offline demo against the local broker' });
      if (!outcome.accepted) throw new UsageError(`the daemon would not be armed: ${outcome.message}`);
      return;
    }
    await sleep(POLL_MS);
  }
  throw new UsageError('the daemon did not become ready; what it said stands above');
}

/** Shows the market's progress until the daemon has ended. */
async function follow(daemon: ChildProcess, link: LockstepLink): Promise<number> {
  const code = ended(daemon);
  if (process.stderr.isTTY) {
    const { barsTotal } = await link.status();
    const bar = progressBar('bars', barsTotal);
    while (daemon.exitCode === null) {
      bar.update((await link.status()).barsDone);
      await Promise.race([code, sleep(2 * POLL_MS)]);
    }
    bar.stop();
  }
  return code;
}

async function brokerAccount(address: BrokerAddress): Promise<AccountSnapshot> {
  const broker = createOandaBroker({ restUrl: address.rest, streamUrl: address.stream, accountId: address.account, token: address.token, clock: new SystemClock() });
  try {
    return await broker.account();
  } finally {
    await broker.close();
  }
}

/** The account's positions as the broker lists them, flat ones included. */
async function brokerPositions({ rest, token, account }: BrokerAddress): Promise<readonly BrokerPosition[]> {
  const response = await fetch(`${rest}/v3/accounts/${account}/positions`, { headers: { authorization: `Bearer ${token}` } });
  return positionsSchema.parse(await response.json()).positions;
}

/** Stands in a data directory that a demo has made: only such a one is ever emptied. */
const MARK = 'made-by-demo';

/** An earlier demo's data makes way, unless its daemon still runs; nobody else's does, whatever a variable names. */
async function prepareDirectory(dataDirectory: string, socketPath: string, token: string): Promise<string> {
  const running = await fetchStatus(socketPath).then(() => true, () => false);
  if (running) throw new UsageError(`a demo daemon is still running in ${dataDirectory}: stop it first`);
  if (existsSync(dataDirectory) && readdirSync(dataDirectory).length > 0 && !existsSync(join(dataDirectory, MARK))) {
    throw new UsageError(`${dataDirectory} holds data that no demo has made, and a demo begins with an empty directory: unset RECKONER_DEPLOYMENT_DATA_DIRECTORY, or move that data away`);
  }
  rmSync(dataDirectory, { recursive: true, force: true });
  mkdirSync(dataDirectory, { recursive: true, mode: 0o700 });
  writeFileSync(join(dataDirectory, MARK), 'The next demo deletes this directory.\n');
  // Its own file in its own directory, whatever a variable names: that one may hold a real token.
  const tokenFile = join(dataDirectory, 'token');
  writeFileSync(tokenFile, `${token}\n`, { mode: 0o600 });
  return tokenFile;
}

export interface DemoOptions {
  readonly json: boolean;
  readonly profile: string | undefined;
}

function profileOf(options: DemoOptions): Profile {
  const name = options.profile ?? process.env['RECKONER_DEMO'] ?? 'one';
  const profile = Object.hasOwn(PROFILES, name) ? PROFILES[name] : undefined;
  if (profile === undefined) throw new UsageError(`there is no demo profile "${name.slice(0, 40)}": use ${Object.keys(PROFILES).join(' or ')}`);
  return profile;
}

export async function demo(options: DemoOptions): Promise<number> {
  const profile = profileOf(options);
  const { config } = loadConfig({ file: profile.file, environment: childEnvironment(null), baseDirectory: ROOT });
  const account = config.broker.accountId;
  const broker = start(['broker', '--clock', 'lockstep', '--hold', '--account', account, ...marketArguments(process.env, config, profile)], childEnvironment(null));
  let daemon: ChildProcess | null = null;
  const stop = (): void => {
    daemon?.kill('SIGTERM');
    broker.kill('SIGTERM');
  };
  process.once('SIGTERM', stop);
  try {
    // Only once the broker has read its market does an earlier demo's log make way.
    const address = await addressOf(broker);
    const tokenFile = await prepareDirectory(config.deployment.dataDirectory, config.control.socketPath, address.token);
    const link = new LockstepLink({ restUrl: address.rest, token: address.token });
    daemon = start(['run', '--config', profile.file], childEnvironment(address, tokenFile));
    await armWhenReady(config.control.socketPath, daemon);
    const startedAt = performance.now();
    await link.start();
    const exitCode = await follow(daemon, link);
    const tradedMs = Math.round(performance.now() - startedAt);
    const market = await link.status();
    const report = await demoReport(config, await brokerAccount(address), await brokerPositions(address));
    await link.close();
    warn(`${market.barsDone} bars in ${(tradedMs / 1_000).toFixed(1)} s`);
    if (options.json) sayJson(report);
    else sayDemoReport(report, relative(process.cwd(), profile.file));
    if (exitCode !== 0) warn(`the daemon ended with exit code ${exitCode}`);
    return exitCode !== 0 ? exitCode : report.agreed ? 0 : 1;
  } finally {
    process.off('SIGTERM', stop);
    stop();
    await Promise.all([ended(broker), ...(daemon === null ? [] : [ended(daemon)])]);
  }
}
