/**
 * `reckoner emergency-drill`: opens positions, runs `ops/emergency-close` as an operator would, and measures the time
 * until it has read the account flat. Against a local broker behind a slow line, unless a practice account is asked for.
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { proxyPlanOf } from '../../adapters/broker/faults/proxy-plan.ts';
import { FaultProxy } from '../../adapters/broker/faults/tcp-proxy.ts';
import { startLocalBroker } from '../../adapters/broker/local-broker.ts';
import { SystemClock } from '../../adapters/clock/system.ts';
import { readToken } from '../../config/token.ts';
import { InstrumentError, instrumentName } from '../../domain/instruments.ts';
import { formatInstant } from '../../domain/time.ts';
import { BUILD, UsageError, load, say, sayJson, table, warn } from './common.ts';
import { refuseBesideDaemon } from './certify.ts';
import { confirmed } from './operate.ts';
import { wholeOption } from './options.ts';
import { progressBar } from './progress.ts';

const TOOL = resolve(import.meta.dirname, '../../ops/emergency-close');
const LOCAL_ACCOUNT = '101-001-1000001-001';
/** What a close must keep to: 19 of 20, and every one. */
export const TARGET = { p95Ms: 5_000, maxMs: 30_000 } as const;
const FILL_MS_MAX = 10_000;
const REQUEST_MS_MAX = 10_000;
const POLL_MS = 100;
/** What the tool's exit code may be: flat and watched, or flat and, as is asked of it here, not watched. */
const FLAT_CODES: readonly (number | null)[] = [0, 47];

export interface DrillOptions {
  readonly environment: string;
  readonly runs: string;
  readonly pairs: string;
  readonly roundTripMs: string;
  readonly record: string;
  readonly config: string;
  readonly yes: boolean;
  readonly json: boolean;
}

// --- figures ---

export interface DrillRun {
  /** From the start of the process until it says that the account is flat; null when it never did. */
  readonly msToFlat: number | null;
  readonly exitCode: number | null;
  /** By the broker's own word, asked afterwards. */
  readonly isFlat: boolean;
}

export interface DrillFigures {
  /** Null when no run came to be flat. */
  readonly p50Ms: number | null;
  readonly p95Ms: number | null;
  readonly maxMs: number | null;
  readonly failed: number;
  readonly met: boolean;
}

/** The nearest rank: a time that was measured, never one between two. */
const rank = (sorted: readonly number[], share: number): number | null => sorted[Math.ceil(share * sorted.length) - 1] ?? null;

const succeeded = ({ msToFlat, exitCode, isFlat }: DrillRun): boolean => msToFlat !== null && isFlat && FLAT_CODES.includes(exitCode);

/** A run that did not come to be flat misses every target. */
export function figuresOf(runs: readonly DrillRun[]): DrillFigures {
  const times = runs.filter(succeeded).map(({ msToFlat }) => msToFlat!).sort((left, right) => left - right);
  const [p50Ms, p95Ms, maxMs] = [rank(times, 0.5), rank(times, 0.95), rank(times, 1)];
  const failed = runs.length - times.length;
  return { p50Ms, p95Ms, maxMs, failed, met: failed === 0 && p95Ms !== null && p95Ms <= TARGET.p95Ms && maxMs !== null && maxMs <= TARGET.maxMs };
}

// --- the account ---

interface Ground {
  readonly environment: 'local' | 'practice';
  readonly account: string;
  readonly token: string;
  readonly tokenFile: string;
  /** Where positions are opened and looked at, without the slow line. */
  readonly origin: string;
  /** How the tool is told where the broker is. */
  readonly toolOptions: readonly string[];
  /** For HALT files and records, so that no daemon is halted by a drill. */
  readonly directory: string;
  readonly pairs: readonly string[];
}

const accountSchema = z.object({
  account: z.object({
    positions: z.array(z.object({ instrument: z.string(), long: z.object({ units: z.string() }), short: z.object({ units: z.string() }) })),
    orders: z.array(z.looseObject({ type: z.string() })),
  }),
});

async function ask({ origin, account, token }: Ground, method: 'GET' | 'POST', path: string, body?: object): Promise<unknown> {
  const reply = await fetch(`${origin}/v3/accounts/${account}${path}`, {
    method, headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' }, signal: AbortSignal.timeout(REQUEST_MS_MAX), ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (!reply.ok) throw new UsageError(`the broker answers ${method} ${path} with status ${reply.status}: ${(await reply.text()).slice(0, 200)}`);
  return reply.json();
}

/** The pairs that are open, and how many orders wait. */
async function lookAt(ground: Ground): Promise<{ readonly open: readonly string[]; readonly orders: number }> {
  const { account } = accountSchema.parse(await ask(ground, 'GET', ''));
  return { open: account.positions.filter(({ long, short }) => Number(long.units) !== 0 || Number(short.units) !== 0).map(({ instrument }) => instrument), orders: account.orders.length };
}

/** One unit of each pair in turn long and short, each behind a stop that is far away. */
async function occupy(ground: Ground): Promise<void> {
  await Promise.all(ground.pairs.map((instrument, index) => ask(ground, 'POST', '/orders', {
    order: { type: 'MARKET', instrument, units: index % 2 === 0 ? '1' : '-1', timeInForce: 'FOK', stopLossOnFill: { distance: instrument.endsWith('JPY') ? '5.000' : '0.05000' } },
  })));
  const deadline = performance.now() + FILL_MS_MAX;
  for (;;) {
    const { open } = await lookAt(ground);
    if (ground.pairs.every((pair) => open.includes(pair))) return;
    if (performance.now() > deadline) throw new UsageError(`only ${open.join(', ') || 'nothing'} was filled: is the market open? Close what is open with ops/emergency-close`);
    await sleep(POLL_MS);
  }
}

/** The tool as an operator runs it, timed from outside: what it says of itself is not what is measured. */
function timeClose(ground: Ground): Promise<Omit<DrillRun, 'isFlat'>> {
  const { account, environment, tokenFile, toolOptions, directory } = ground;
  const where = ['--state-dir', directory, '--runtime-dir', directory, '--unit', 'none'];
  const startedAt = performance.now();
  const child = spawn(process.execPath, [TOOL, '--account', account, '--environment', environment, '--token-file', tokenFile, ...toolOptions, ...where, '--operator', 'drill', '--reason', 'a drill', '--yes', '--watch', '0', '--halted', 'exit'], { stdio: ['ignore', 'ignore', 'pipe'] });
  let [said, msToFlat] = ['', null as number | null];
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
    if (msToFlat === null && said.includes(' FLAT: ')) msToFlat = Math.round(performance.now() - startedAt);
  });
  return new Promise((settle, reject) => {
    child.once('error', reject);
    child.once('close', (exitCode) => {
      if (!FLAT_CODES.includes(exitCode)) warn(said.trimEnd());
      settle({ msToFlat, exitCode });
    });
  });
}

async function drillOnce(ground: Ground): Promise<DrillRun> {
  await occupy(ground);
  const timed = await timeClose(ground);
  const { open, orders } = await lookAt(ground);
  return { ...timed, isFlat: open.length === 0 && orders === 0 };
}

async function drillAll(ground: Ground, runs: number): Promise<readonly DrillRun[]> {
  const found: DrillRun[] = [];
  const progress = progressBar('closes', runs);
  try {
    while (found.length < runs) {
      found.push(await drillOnce(ground));
      progress.update(found.length);
      // What is left open is for a human, not for the next run.
      if (!found.at(-1)!.isFlat) break;
    }
  } finally {
    progress.stop();
  }
  return found;
}

// --- where it takes place ---

async function onLocalBroker(directory: string, pairs: readonly string[], roundTripMs: number, runs: number): Promise<readonly DrillRun[]> {
  const [token, tokenFile] = [randomBytes(24).toString('hex'), join(directory, 'credential')];
  writeFileSync(tokenFile, `${token}\n`, { mode: 0o600 });
  const broker = await startLocalBroker({ clock: 'realtime', port: 0, tokenFile, account: LOCAL_ACCOUNT, instruments: pairs, alwaysOpen: true });
  const request = Math.floor(roundTripMs / 2);
  const toxics = [{ kind: 'latency', direction: 'request', delayMs: request }, { kind: 'latency', direction: 'reply', delayMs: roundTripMs - request }];
  const proxy = await FaultProxy.start({ to: { host: '127.0.0.1', port: Number(new URL(broker.rest).port) }, port: 0, plan: proxyPlanOf({ toxics }) });
  try {
    return await drillAll({ environment: 'local', account: LOCAL_ACCOUNT, token, tokenFile, origin: broker.rest, toolOptions: ['--url', `http://127.0.0.1:${proxy.port}`], directory, pairs }, runs);
  } finally {
    await proxy.close();
    await broker.close();
  }
}

/** @returns null when the operator thought better of it. */
async function onPractice(directory: string, pairs: readonly string[], runs: number, options: DrillOptions): Promise<readonly DrillRun[] | null> {
  const { config } = load(options);
  if (config.broker.environment !== 'practice') throw new UsageError(`${options.config} is for the ${config.broker.environment} environment: a drill with --environment practice needs a configuration for practice`);
  await refuseBesideDaemon(config);
  const { accountId: account, tokenFile, restUrl } = config.broker;
  const ground: Ground = { environment: 'practice', account, token: readToken(tokenFile), tokenFile, origin: restUrl, toolOptions: [], directory, pairs };
  const { open, orders } = await lookAt(ground);
  if (open.length > 0 || orders > 0) throw new UsageError(`account ${account} holds ${open.join(', ') || 'no position'} and ${orders} orders, and a drill closes everything: it needs the account empty`);
  warn(`${runs} times one unit of ${pairs.join(', ')} is opened on practice account ${account}, and closed at once`);
  if (!(await confirmed('make the drill?', options.yes, 'a drill on a practice account asks for confirmation, and there is no terminal: add --yes'))) return null;
  return drillAll(ground, runs);
}

// --- the command ---

export const DRILL_HELP = `
Times run from the start of the tool's process until it has read the account flat in two ways. The target: 19 of 20
within ${TARGET.p95Ms / 1_000} s, every one within ${TARGET.maxMs / 1_000} s; exit code 1 when it is missed. The local broker stands behind a line whose
round trip takes --round-trip-ms longer. A practice account is touched with --environment practice alone: it must be
empty, with no daemon on it, and its next daemon asks to acknowledge what the drill did. No live account ever is.

Examples:
  npx reckoner emergency-drill --record /var/lib/reckoner/drills.jsonl
  npx reckoner emergency-drill --environment practice --config reckoner.yaml --runs 5`;

function pairsOf(text: string): readonly string[] {
  try {
    return [...new Set(text.split(',').map((name) => instrumentName(name.trim())))];
  } catch (error) {
    if (error instanceof InstrumentError) throw new UsageError(`--pairs: ${error.message}`);
    throw error;
  }
}

/** One line for each drill, the newest last, where the next operator looks. */
function keep(file: string, record: object): void {
  mkdirSync(dirname(resolve(file)), { recursive: true });
  appendFileSync(file, `${JSON.stringify(record)}\n`);
  warn(`recorded in ${file}`);
}

export async function emergencyDrill(options: DrillOptions): Promise<number> {
  const { environment, record: file, json } = options;
  if (environment !== 'local' && environment !== 'practice') throw new UsageError(`--environment must be local or practice, not "${environment}": no drill is made on a live account`);
  const [runs, pairs] = [wholeOption(options.runs, 'runs', 1, 1_000), pairsOf(options.pairs)];
  const roundTripMs = wholeOption(options.roundTripMs, 'round-trip-ms', 0, 60_000);
  const directory = mkdtempSync(join(tmpdir(), 'reckoner-drill-'));
  try {
    const found = environment === 'local' ? await onLocalBroker(directory, pairs, roundTripMs, runs) : await onPractice(directory, pairs, runs, options);
    if (found === null) return 1;
    const figures = figuresOf(found);
    const drill = {
      version: 1, at: formatInstant(new SystemClock().now()), build: BUILD, environment, pairs, runs: found.length,
      addedRoundTripMs: environment === 'local' ? roundTripMs : null, ...figures, target: TARGET, msToFlat: found.map(({ msToFlat }) => msToFlat), exitCodes: [...new Set(found.map(({ exitCode }) => exitCode))],
    };
    keep(file, drill);
    if (json) sayJson(drill);
    else {
      say(table([{ 'runs': found.length, 'not flat': figures.failed, 'p50 ms': figures.p50Ms, 'p95 ms': figures.p95Ms, 'max ms': figures.maxMs }, { 'runs': 'target', 'not flat': 0, 'p50 ms': '', 'p95 ms': TARGET.p95Ms, 'max ms': TARGET.maxMs }]));
      say(figures.met ? 'the target is met' : 'the target is MISSED: find out why before an emergency does');
    }
    return figures.met ? 0 : 1;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
