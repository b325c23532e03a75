/**
 * Emergency closes in tests: the tool as a process of its own against the local broker, which a drill gives its
 * faults, and the account as the broker has it.
 */
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, join } from 'node:path';
import { onTestFinished } from 'vitest';
import { z } from 'zod';
import { ACCOUNT, ROOT } from '../e2e/processes.ts';
import { Drill } from '../faults/harness.ts';
import type { DrillPlan } from '../faults/harness.ts';

export const TOOL = join(ROOT, 'ops/emergency-close');

/** A Node of the machine's own that is older than the pinned one and new enough for the tools of ops/; null where there is none. */
export function olderNode(): string | null {
  const found = (process.env['PATH'] ?? '').split(delimiter).map((directory) => join(directory, 'node')).filter((path) => existsSync(path));
  return found.find((path) => /^v2[0-3]\./.test(spawnSync(path, ['--version'], { encoding: 'utf8' }).stdout)) ?? null;
}

/** Runs the tool with time that passes sixty times as fast, so that its whole watch takes seconds. */
const FAST = `const { performance } = require('node:perf_hooks'); const { setTimeout: sleep } = require('node:timers/promises');
const ports = { now: () => performance.now() * 60, sleep: (ms, signal) => sleep(Math.max(0, ms) / 60, undefined, { signal }).catch(() => undefined) };
require(${JSON.stringify(TOOL)}).main(process.argv.slice(1), ports).then((code) => process.exit(code));`;

// --- the planner, as the tool exports it ---

export interface Planned {
  readonly actions: readonly { readonly kind: 'cancel' | 'close'; readonly key: string; readonly path: string; readonly units: string; readonly body?: unknown }[];
  readonly holdings: readonly { readonly key: string; readonly units: string }[];
  readonly waiting: readonly { readonly key: string }[];
  readonly kept: readonly { readonly id: string; readonly type: string; readonly tradeId: string | null }[];
  readonly unprotected: readonly { readonly id: string; readonly instrument: string; readonly units: string }[];
  readonly entries: number;
  readonly flat: boolean;
}
export interface Flags {
  readonly account: string;
  readonly onlyOurs?: boolean;
  readonly halted?: ReadonlySet<string>;
  readonly divisors?: { readonly [key: string]: number };
  readonly extensions?: object | null;
}
interface Tool {
  readonly MEANINGS: { readonly [code: string]: string };
  readonly PRECEDENCE: readonly number[];
  readonly plan: (snapshot: { readonly positions: readonly object[]; readonly trades: readonly object[]; readonly orders: readonly object[] }, flags: Flags) => Planned;
  readonly lessonOf: (status: number, body: unknown) => { readonly kind: string; readonly reason: string };
}
export const tool = createRequire(import.meta.url)(TOOL) as Tool;

// --- the tool as a process ---

const outcomeSchema = z.object({
  version: z.literal(1),
  exitCode: z.int(),
  daemon: z.string(),
  flat: z.boolean().nullable(),
  left: z.array(z.object({ key: z.string(), units: z.string() })).nullable(),
  entryOrders: z.int().nullable(),
  plan: z.array(z.object({ kind: z.string(), key: z.string() })),
  kept: z.array(z.object({ type: z.string() })),
  unprotected: z.array(z.object({ id: z.string() })),
  msToFlat: z.int().nullable(),
  requests: z.int(),
  transactionIds: z.array(z.string()),
  haltFiles: z.array(z.string()),
  record: z.string().nullable(),
});
export type EmergencyOutcome = z.infer<typeof outcomeSchema>;

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** What `--json` put on standard output; null without it. */
  readonly outcome: EmergencyOutcome | null;
}

const recordLineSchema = z.looseObject({ kind: z.string(), n: z.int() });
export type RecordLine = z.infer<typeof recordLineSchema>;

interface Running {
  readonly process: ChildProcess;
  readonly ended: Promise<Ended>;
}

const positionsSchema = z.object({ positions: z.array(z.object({ instrument: z.string(), long: z.object({ units: z.string() }), short: z.object({ units: z.string() }) })) });
const ordersSchema = z.object({ orders: z.array(z.looseObject({ type: z.string() })) });

export class Emergency {
  readonly drill: Drill;
  readonly stateDirectory: string;
  readonly runtimeDirectory: string;

  constructor(drill: Drill) {
    this.drill = drill;
    this.stateDirectory = drill.place.dataDirectory;
    this.runtimeDirectory = join(drill.place.directory, 'run');
    mkdirSync(this.stateDirectory, { recursive: true });
    mkdirSync(this.runtimeDirectory);
  }

  /** The options that every run here has; a later one of the same name stands. */
  get usual(): readonly string[] {
    return [
      '--account', ACCOUNT, '--environment', 'local', '--url', this.drill.address.rest, '--token-file', this.drill.place.tokenFile, '--state-dir', this.stateDirectory, '--runtime-dir', this.runtimeDirectory,
      '--unit', 'none', '--operator', 'ada', '--yes', '--json', '--watch', '1', '--deadline', '20',
    ];
  }

  start(options: readonly string[], { fast = false, node = process.execPath, environment = {} }: { fast?: boolean; node?: string; environment?: NodeJS.ProcessEnv } = {}): Running {
    const parameters = [...(fast ? ['-e', FAST, '--'] : [TOOL]), ...this.usual, ...options];
    const child = spawn(node, parameters, { cwd: '/', env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
    onTestFinished(() => void child.kill('SIGKILL'));
    let [stdout, stderr] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    const ended = new Promise<Ended>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code) => resolve({ code, stdout, stderr, outcome: stdout.startsWith('{') ? outcomeSchema.parse(JSON.parse(stdout)) : null }));
    });
    return { process: child, ended };
  }

  run(...options: readonly string[]): Promise<Ended> {
    return this.start(options).ended;
  }

  // --- the account ---

  async #ask(method: string, path: string, body?: object): Promise<unknown> {
    const reply = await fetch(`${this.drill.broker.rest}/v3/accounts/${ACCOUNT}${path}`, {
      method, headers: { authorization: `Bearer ${this.drill.place.token}`, 'content-type': 'application/json' }, ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await reply.text();
    // A fault's own page is no JSON, and whoever has asked for the fault knows it.
    return text.startsWith('{') ? JSON.parse(text) : null;
  }

  /** A position, opened as a hand would: with a stop that is far away. */
  open(instrument: string, units: string, extra: object = { stopLossOnFill: { distance: instrument.endsWith('JPY') ? '5.000' : '0.05000' } }): Promise<unknown> {
    return this.#ask('POST', '/orders', { order: { type: 'MARKET', instrument, units, ...extra } });
  }

  /** An entry order that waits far from the market. */
  wait(extra: object = {}): Promise<unknown> {
    return this.#ask('POST', '/orders', { order: { type: 'LIMIT', instrument: 'EUR_USD', units: '10', price: '0.50000', ...extra } });
  }

  /** What is open, as `100 EUR_USD`, and the types of what is pending. */
  async account(): Promise<readonly string[]> {
    const { positions } = positionsSchema.parse(await this.#ask('GET', '/openPositions'));
    const { orders } = ordersSchema.parse(await this.#ask('GET', '/pendingOrders'));
    return [...positions.flatMap(({ instrument, long, short }) => [long.units, short.units].filter((units) => units !== '0').map((units) => `${units} ${instrument}`)), ...orders.map(({ type }) => type)].sort();
  }

  // --- what it left behind ---

  /** The lines of every record in a directory, oldest first. */
  record(directory = this.stateDirectory): readonly RecordLine[] {
    return readdirSync(directory).filter((name) => name.startsWith('emergency-')).sort()
      .flatMap((name) => readFileSync(join(directory, name), 'utf8').trimEnd().split('\n').map((line) => recordLineSchema.parse(JSON.parse(line))));
  }

  /** A program that notes in a file what it is told. */
  notifier(): { readonly program: string; readonly heard: () => string } {
    const [program, file] = [join(this.drill.place.directory, 'notify'), join(this.drill.place.directory, 'heard')];
    writeFileSync(program, `#!/bin/sh\ncat >> ${file}\n`, { mode: 0o755 });
    return { program, heard: () => readFileSync(file, 'utf8') };
  }
}

export const CLOSES = { method: 'PUT', path: '/positions/*' };
const TWO_PAIRS: Partial<DrillPlan> = { broker: { instruments: ['EUR_USD', 'USD_JPY'] } };

export const prepared = async (plan: Partial<DrillPlan> = {}): Promise<Emergency> => new Emergency(await Drill.prepare('realtime', { faults: [], ...plan }));

/** An account with a position in each of two pairs, stops behind them, and an entry order. */
export async function held(plan: Partial<DrillPlan> = {}): Promise<Emergency> {
  const emergency = await prepared({ ...TWO_PAIRS, ...plan });
  await emergency.open('EUR_USD', '100');
  await emergency.open('USD_JPY', '-50');
  await emergency.wait();
  return emergency;
}

/** An account that is long 100 EUR/USD behind a stop. */
export async function long(plan: Partial<DrillPlan> = {}, extra?: object): Promise<Emergency> {
  const emergency = await prepared(plan);
  await emergency.open('EUR_USD', '100', extra);
  return emergency;
}
