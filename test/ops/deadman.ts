/** The dead-man in tests: as it exports itself, and as a process whose time passes fast. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';
import { ACCOUNT, ROOT } from '../e2e/processes.ts';
import type { Emergency } from './emergency.ts';

export const DEADMAN = join(ROOT, 'ops/deadman');
const fastBy = (factor: number): string => `const { performance } = require('node:perf_hooks'); const { setTimeout: sleep } = require('node:timers/promises'); const began = Date.now();
const ports = { now: () => performance.now() * ${factor}, clock: () => began + (Date.now() - began) * ${factor}, sleep: (ms, signal) => sleep(ms / ${factor}, undefined, { signal }).catch(() => undefined) };
require(${JSON.stringify(DEADMAN)}).main(process.argv.slice(1), ports).then((code) => process.exit(code));`;

// --- what it exports ---

export type Look = { readonly kind: 'answer'; readonly seconds: number } | { readonly kind: 'silent' | 'unclear' };
export interface Account {
  readonly holdings: readonly { readonly units: string; readonly instrument: string }[];
  readonly unprotected: readonly object[];
  readonly tradeable: readonly string[];
}
export interface Facts {
  readonly stillMs: number;
  readonly flattenAfterMs: number | null;
  readonly account: Account | null;
  readonly seen: boolean;
  readonly sinceActionMs: number | null;
  readonly remembers: boolean;
}
interface Exported {
  readonly MEANINGS: { readonly [code: string]: string };
  readonly progressIn: (text: string) => number | null;
  readonly judge: (facts: Facts) => { readonly act: boolean; readonly why: string };
  readonly Stillness: new (stepMsMax: number) => { readonly ms: number; take(look: Look, now: number): boolean };
}
export const deadman = createRequire(import.meta.url)(DEADMAN) as Exported;

// --- a daemon's metrics, as a test says ---

export interface FakeMetrics {
  readonly url: string;
  /** What is answered from now on; null answers nothing at all. */
  body: (() => string) | null;
  /** From now on nobody listens. */
  readonly close: () => void;
}

/** Metrics of a daemon that gets on with every look. */
export const GETTING_ON = (): (() => string) => {
  let seconds = 1_000;
  return () => `reckoner_last_reconciliation_timestamp_seconds ${(seconds += 60)}\n`;
};
export const STANDING = (): string => 'reckoner_last_reconciliation_timestamp_seconds 5000\n';

export async function fakeMetrics(body: FakeMetrics['body']): Promise<FakeMetrics> {
  const server = createServer((_request, response) => {
    if (fake.body !== null) response.end(fake.body());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  const close = (): void => {
    server.closeAllConnections();
    server.close();
  };
  const fake: FakeMetrics = { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/metrics`, body, close };
  onTestFinished(close);
  return fake;
}

// --- the process ---

export interface WatchProcess {
  readonly process: ChildProcess;
  readonly stderr: () => string;
  readonly ended: Promise<number | null>;
}

export function startDeadman({ drill, runtimeDirectory, stateDirectory }: Emergency, metrics: string, options: readonly string[], { factor = 120 } = {}): WatchProcess {
  const usual = ['--account', ACCOUNT, '--environment', 'local', '--url', drill.address.rest, '--token-file', drill.place.tokenFile, '--state-dir', stateDirectory, '--runtime-dir', runtimeDirectory, '--state-file', join(drill.place.directory, 'deadman.json'), '--metrics', metrics];
  const child = spawn(process.execPath, [...(factor === 1 ? [DEADMAN] : ['-e', fastBy(factor), '--']), ...usual, ...options, '--', '--unit', 'none', '--watch', '1', '--deadline', '20'], { cwd: '/', env: {}, stdio: ['ignore', 'ignore', 'pipe'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  return { process: child, stderr: () => stderr, ended: new Promise((resolve) => child.once('close', resolve)) };
}
