/**
 * Real processes for end-to-end tests: the local broker, the daemon and single commands, each a child of its own,
 * in a temporary directory with a token file of its own. Whatever a test starts ends with the test.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import { z } from 'zod';
import { LockstepLink } from '../../adapters/clock/lockstep-link.ts';
import { DaemonNotRunningError, fetchStatus, sendCommand } from '../../adapters/control/client.ts';
import { environmentName } from '../../config/source.ts';
import { MODES } from '../../domain/events.ts';

export const ROOT = resolve(import.meta.dirname, '../..');
const MAIN = join(ROOT, 'src/main.ts');
export const DEMO_PROFILE = join(ROOT, 'config/profiles/demo.yaml');
export const ACCOUNT = '101-001-1000001-001';
const START_MS_MAX = 30_000;
const COMMAND_MS_MAX = 170_000;
const POLL_MS = 15;
const PAGE_TRANSACTIONS = 1_000;

/** Configuration by dotted path, such as `policy.kind`; it becomes the RECKONER_ variables of a child. */
export interface Settings {
  readonly [path: string]: string;
}

export interface BrokerAddress {
  readonly rest: string;
  readonly stream: string;
}

export interface Outcome {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

const statusSchema = z.object({
  ready: z.boolean(),
  notReadyReason: z.string().nullable(),
  mode: z.enum(MODES),
  epoch: z.int(),
  unsound: z.string().nullable(),
  bars: z.object({ done: z.int(), total: z.int() }).nullable(),
});
export type Status = z.infer<typeof statusSchema>;

/** One child process: its whole output, and its lines as they come. */
export class Child {
  readonly process: ChildProcess;
  /** Settles once, when the process has ended and its output is complete. */
  readonly ended: Promise<Outcome>;
  #stdout = '';
  #stderr = '';
  #hasEnded = false;
  readonly #listeners = new Set<(line: string) => void>();

  constructor(commandLine: readonly string[], environment: NodeJS.ProcessEnv) {
    this.process = spawn(process.execPath, [MAIN, ...commandLine], { cwd: ROOT, env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
    this.process.stdout!.setEncoding('utf8').on('data', (text: string) => (this.#stdout += text));
    createInterface({ input: this.process.stderr! }).on('line', (line) => {
      this.#stderr += `${line}\n`;
      for (const listener of [...this.#listeners]) listener(line);
    });
    this.ended = new Promise((settle) => {
      this.process.once('close', (code, signal) => {
        this.#hasEnded = true;
        settle({ code, signal, stdout: this.#stdout, stderr: this.#stderr });
      });
    });
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  get stdout(): string {
    return this.#stdout;
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** The last of what it said, for the message of a failure. */
  get lastWords(): string {
    return `${this.#stdout}${this.#stderr}`.slice(-2_000);
  }

  /** Resolves at the `nth` line from now on that holds `text`. @throws Error when the process ends before. */
  async line(text: string, nth = 1): Promise<void> {
    let seen = 0;
    let onLine: (line: string) => void = () => undefined;
    const heard = new Promise<true>((settle) => {
      onLine = (line) => {
        if (line.includes(text)) seen += 1;
        if (seen >= nth) settle(true);
      };
      this.#listeners.add(onLine);
    });
    try {
      const came = await Promise.race([heard, this.ended.then(() => false)]);
      if (!came) throw new Error(`the process ended after ${seen} of ${nth} lines with "${text}":\n${this.lastWords}`);
    } finally {
      this.#listeners.delete(onLine);
    }
  }

  /** The first line on stdout, for a process that says there where it listens. */
  async firstLine(): Promise<string> {
    return until('the first line', async () => /^.+(?=\n)/.exec(this.#stdout)?.[0] ?? null, [this]);
  }

  /** Ends it with a signal and waits until it has. */
  async end(signal: NodeJS.Signals): Promise<Outcome> {
    this.process.kill(signal);
    return this.ended;
  }
}

/** Resolves when `probe` answers otherwise than null. @throws Error after `msMax`, or when a process it needs has ended. */
export async function until<Found>(what: string, probe: () => Promise<Found | null>, needed: readonly Child[] = [], msMax = START_MS_MAX): Promise<Found> {
  const deadline = AbortSignal.timeout(msMax);
  for (;;) {
    const found = await probe();
    if (found !== null) return found;
    const gone = needed.find((child) => child.hasEnded);
    if (gone !== undefined) throw new Error(`${what}: the process ended:\n${gone.lastWords}`);
    if (deadline.aborted) throw new Error(`${what}: not within ${msMax} ms${needed.map((child) => `\n${child.lastWords}`).join('')}`);
    await sleep(POLL_MS);
  }
}

/** The local broker in a process of its own, and what a test may ask it beside the daemon. */
export class BrokerProcess extends Child {
  readonly #token: string;
  #address: BrokerAddress | null = null;
  #link: LockstepLink | null = null;

  constructor(commandLine: readonly string[], environment: NodeJS.ProcessEnv, token: string) {
    super(commandLine, environment);
    this.#token = token;
  }

  async whenListening(): Promise<void> {
    const line = await until('the broker', async () => this.stdout.split('\n').find((one) => one.startsWith('{')) ?? null, [this]);
    this.#address = z.object({ rest: z.string(), stream: z.string() }).parse(JSON.parse(line));
    this.#link = new LockstepLink({ restUrl: this.#address.rest, token: this.#token });
  }

  get address(): BrokerAddress {
    if (this.#address === null) throw new Error('the broker does not listen yet');
    return this.#address;
  }

  /** The lockstep clock. */
  get clock(): LockstepLink {
    if (this.#link === null) throw new Error('the broker does not listen yet');
    return this.#link;
  }

  async #get(path: string): Promise<unknown> {
    const reply = await fetch(`${this.address.rest}/v3/accounts/${ACCOUNT}${path}`, { headers: { authorization: `Bearer ${this.#token}` } });
    if (!reply.ok) throw new Error(`GET ${path}: status ${reply.status}`);
    return reply.json();
  }

  /** The whole ledger in the order of the broker's pages. */
  async transactions(): Promise<readonly Transaction[]> {
    const found: Transaction[] = [];
    for (;;) {
      const page = pageSchema.parse(await this.#get(`/transactions/sinceid?id=${found.length === 0 ? 0 : Number(found.at(-1)!.id)}`));
      found.push(...page.transactions);
      if (page.transactions.length < PAGE_TRANSACTIONS) return found;
    }
  }

  override async end(signal: NodeJS.Signals): Promise<Outcome> {
    await this.#link?.close();
    return super.end(signal);
  }
}

const transactionSchema = z.looseObject({ id: z.string(), type: z.string(), units: z.string().optional(), clientExtensions: z.looseObject({ id: z.string().optional() }).optional() });
const pageSchema = z.object({ transactions: z.array(transactionSchema) });
export type Transaction = z.infer<typeof transactionSchema>;

/** A temporary directory with a token, and the processes that live in it. */
export class Workplace {
  readonly directory: string;
  readonly dataDirectory: string;
  readonly socketPath: string;
  readonly token = randomBytes(24).toString('hex');
  readonly tokenFile: string;
  readonly #children = new Set<Child>();

  /** Made inside a test; ends with it, whatever came of it. */
  constructor() {
    this.directory = mkdtempSync(join(tmpdir(), 'rk-'));
    this.dataDirectory = join(this.directory, 'd');
    this.socketPath = join(this.dataDirectory, 'control.sock');
    this.tokenFile = join(this.directory, 'credential');
    writeFileSync(this.tokenFile, `${this.token}\n`, { mode: 0o600 });
    // A test run that is itself told to end must leave no daemon behind.
    const killAll = (): void => {
      for (const child of this.#children) child.process.kill('SIGKILL');
    };
    process.once('exit', killAll);
    onTestFinished(async () => {
      await Promise.all([...this.#children].map((child) => child.end('SIGKILL')));
      process.off('exit', killAll);
      rmSync(this.directory, { recursive: true, force: true });
    });
  }

  /** A child's environment: nothing of ours but the path, no colour, and the configuration that is given. */
  environment(settings: Settings, broker: BrokerAddress | null): NodeJS.ProcessEnv {
    const all: Settings = {
      'deployment.dataDirectory': this.dataDirectory,
      'broker.tokenFile': this.tokenFile,
      ...(broker === null ? {} : { 'broker.restUrl': broker.rest, 'broker.streamUrl': broker.stream }),
      ...settings,
    };
    const variables: { [name: string]: string } = {};
    for (const [path, value] of Object.entries(all)) variables[environmentName(path.split('.'))] = value;
    return { PATH: process.env['PATH'], NO_COLOR: '1', ...variables };
  }

  #keep<Kind extends Child>(child: Kind): Kind {
    this.#children.add(child);
    void child.ended.then(() => this.#children.delete(child));
    return child;
  }

  /** Starts a command that goes on until it is told to end. */
  start(commandLine: readonly string[], settings: Settings = {}, broker: BrokerAddress | null = null): Child {
    return this.#keep(new Child(commandLine, this.environment(settings, broker)));
  }

  async startBroker(options: readonly string[]): Promise<BrokerProcess> {
    const broker = this.#keep(new BrokerProcess(['broker', '--account', ACCOUNT, '--token-file', this.tokenFile, ...options], this.environment({}, null), this.token));
    await broker.whenListening();
    return broker;
  }

  startDaemon(broker: { readonly address: BrokerAddress }, settings: Settings, profile = DEMO_PROFILE, extra: NodeJS.ProcessEnv = {}): Child {
    return this.#keep(new Child(['run', '--config', profile], { ...this.environment(settings, broker.address), ...extra }));
  }

  /** Runs one command to its end. @throws Error when it does not end. */
  async command(commandLine: readonly string[], settings: Settings, broker: BrokerAddress | null, extra: NodeJS.ProcessEnv = {}): Promise<Outcome> {
    const child = this.#keep(new Child(commandLine, { ...this.environment(settings, broker), ...extra }));
    const tooLong = AbortSignal.timeout(COMMAND_MS_MAX);
    const stop = (): boolean => child.process.kill('SIGKILL');
    tooLong.addEventListener('abort', stop);
    const outcome = await child.ended;
    tooLong.removeEventListener('abort', stop);
    if (tooLong.aborted) throw new Error(`reckoner ${commandLine.join(' ')} did not end within ${COMMAND_MS_MAX} ms:\n${child.lastWords}`);
    return outcome;
  }

  /** What the daemon says of itself; null while nobody answers. */
  async status(): Promise<Status | null> {
    try {
      return statusSchema.parse(await fetchStatus(this.socketPath));
    } catch (error) {
      if (error instanceof DaemonNotRunningError) return null;
      throw error;
    }
  }

  async whenReady(daemon: Child): Promise<Status> {
    const ready = async (): Promise<Status | null> => {
      const status = await this.status();
      return status?.ready === true ? status : null;
    };
    return until('the daemon becoming READY', ready, [daemon]);
  }

  /** Arms as an operator would. @throws Error when the daemon refuses. */
  async arm(reason: string): Promise<void> {
    const outcome = await sendCommand(this.socketPath, { verb: 'arm', operator: 'tester', reason });
    if (!outcome.accepted) throw new Error(`not armed: ${outcome.message}`);
  }
}
