/** `reckoner broker`: the local broker as a process of its own. */
import type { FaultPlan } from '../../adapters/broker/faults/plan.ts';
import { readFaultPlan } from '../../adapters/broker/faults/plan.ts';
import { OANDA_RATE_LIMITS } from '../../adapters/broker/http/limits.ts';
import { z } from 'zod';
import { switchesSchema } from '../../adapters/broker/engine/switches.ts';
import type { Switches } from '../../adapters/broker/engine/switches.ts';
import { startLocalBroker } from '../../adapters/broker/local-broker.ts';
import type { LocalBrokerOptions } from '../../adapters/broker/options.ts';
import { InstrumentError, instrumentName } from '../../domain/instruments.ts';
import { TimeError, parseInstant } from '../../domain/time.ts';
import type { Instant } from '../../domain/time.ts';
import { readCertificate, switchesOf } from '../certify/certificate.ts';
import { say, UsageError, warn } from './common.ts';
import { filesByInstrument, spreadOption, wholeOption } from './options.ts';

export interface BrokerCommand {
  readonly port: string;
  readonly streamPort: string;
  readonly tokenFile?: string;
  readonly account?: string;
  /** As often as it was given; each may be a list with commas. */
  readonly instrument?: readonly string[];
  /** A file for the one instrument, or as often as it was given, NAME=FILE. */
  readonly bars?: readonly string[];
  readonly spreadPips?: string;
  readonly seed: string;
  readonly drawnBars?: string;
  readonly drawnFrom?: string;
  readonly clock: string;
  readonly alwaysOpen: boolean;
  readonly hold: boolean;
  /** A certificate whose account the broker should behave like. */
  readonly certificate?: string;
  /** NAME=VALUE, as often as it was given; above the certificate's. */
  readonly switch?: readonly string[];
  readonly rateLimits: boolean;
  readonly retryAfter?: string;
  readonly faults?: string;
  readonly faultLog?: string;
}

function clockOf(text: string): 'lockstep' | 'realtime' {
  if (text !== 'lockstep' && text !== 'realtime') throw new UsageError(`--clock must be realtime or lockstep, not "${text}"`);
  return text;
}

/** A name as it was given with an option. */
function nameOf(text: string, option: string): string {
  try {
    return instrumentName(text.trim());
  } catch (error) {
    if (error instanceof InstrumentError) throw new UsageError(`--${option}: ${error.message}`);
    throw error;
  }
}

function instrumentsOf(command: BrokerCommand): readonly string[] {
  const names = (command.instrument ?? []).flatMap((text) => text.split(',')).map((text) => nameOf(text, 'instrument'));
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new UsageError(`--instrument names ${twice} twice; give each instrument once`);
  return names;
}

/** `--bars FILE` plays the one instrument named, or EUR_USD; `--bars NAME=FILE`, repeated, plays several together. */
function barsFilesOf(command: BrokerCommand, instruments: readonly string[]): { readonly [instrument: string]: string } | undefined {
  if (command.bars === undefined) return undefined;
  if (command.clock !== 'lockstep') throw new UsageError('--bars plays a file in accelerated time: add --clock lockstep');
  const files = filesByInstrument(command.bars, instruments, 'EUR_USD');
  const [missing, stray] = [instruments.find((name) => !(name in files)), Object.keys(files).find((name) => instruments.length > 0 && !instruments.includes(name))];
  if (missing !== undefined) throw new UsageError(`--instrument ${missing} has no file: add --bars ${missing}=FILE, or leave the instrument out`);
  if (stray !== undefined) throw new UsageError(`--bars has a file of ${stray}, which --instrument leaves out: name it there, or leave the file out`);
  return files;
}

function instantOfOption(text: string, option: string): Instant {
  try {
    return parseInstant(text, `--${option}`);
  } catch (error) {
    if (error instanceof TimeError) throw new UsageError(error.message);
    throw error;
  }
}

/** Options that would be passed over in silence are refused. */
function refuseIdleOptions(command: BrokerCommand, clock: 'lockstep' | 'realtime'): void {
  const drawn = command.drawnBars !== undefined || command.drawnFrom !== undefined;
  if (clock === 'realtime' && drawn) throw new UsageError('--drawn-bars and --drawn-from draw a market for accelerated time: add --clock lockstep');
  if (clock === 'realtime' && command.hold) throw new UsageError('--hold stops accelerated time: add --clock lockstep');
  if (clock === 'lockstep' && command.rateLimits) throw new UsageError('--rate-limits counts real seconds, and accelerated time has its own: leave it out, or use --clock realtime');
  if (!command.rateLimits && command.retryAfter !== undefined) throw new UsageError('--retry-after is told with a 429, which only limits cause: add --rate-limits');
  if (command.bars !== undefined && drawn) throw new UsageError('--drawn-bars and --drawn-from draw a market, --bars plays a file: give one or the other');
  if (command.bars === undefined && command.spreadPips !== undefined) throw new UsageError('--spread-pips is the spread around a file of mid prices: add --bars');
}

/** What a certificate found, and then what `--switch` says. */
function switchesOfCommand(command: BrokerCommand): Partial<Switches> {
  const named = Object.fromEntries((command.switch ?? []).map((text): [string, string | number] => {
    const [, name, value] = /^(\w+)=(.+)$/.exec(text) ?? [];
    if (name === undefined || value === undefined) throw new UsageError(`--switch ${text}: say NAME=VALUE`);
    return [name, /^\d+$/.test(value) && name !== 'missingPositionStatus' ? Number(value) : value];
  }));
  const turned = { ...(command.certificate === undefined ? {} : switchesOf(readCertificate(command.certificate))), ...named };
  const parsed = switchesSchema.partial().safeParse(turned);
  if (!parsed.success) throw new UsageError(`--switch: ${z.prettifyError(parsed.error).replaceAll('\n', ' ')}; there are ${Object.keys(switchesSchema.shape).join(', ')}`);
  return Object.fromEntries(Object.entries(parsed.data).filter(([name]) => name in turned));
}

/** Says what the seed made of a plan, so that a run can be told from another. */
function announce({ seed, faults, storm }: FaultPlan): void {
  warn(`faults: seed ${seed}, ${faults.length} planned`);
  if (storm === null) return;
  warn(`storm: ${storm.faults} draws over ${storm.spanMs} ms from +${storm.fromMs} ms`);
  warn(`storm on: ${storm.on.join(' ')}`);
  warn(`storm off: ${storm.off.join(' ')}`);
}

/** What the command line asks for. @throws UsageError that names the option and the remedy; ConfigError for a fault plan that is wrong. */
export function brokerOptions(command: BrokerCommand): LocalBrokerOptions {
  const clock = clockOf(command.clock);
  refuseIdleOptions(command, clock);
  const instruments = instrumentsOf(command);
  const barsFiles = barsFilesOf(command, instruments);
  const switches = switchesOfCommand(command);
  return {
    clock,
    port: wholeOption(command.port, 'port', 0, 65_535),
    streamPort: wholeOption(command.streamPort, 'stream-port', 0, 65_535),
    seed: wholeOption(command.seed, 'seed', 0, 4_294_967_295),
    alwaysOpen: command.alwaysOpen,
    hold: command.hold,
    ...(command.rateLimits ? { rateLimits: { ...OANDA_RATE_LIMITS, retryAfterSeconds: command.retryAfter === undefined ? null : wholeOption(command.retryAfter, 'retry-after', 0, 3_600) } } : {}),
    ...(Object.keys(switches).length === 0 ? {} : { engine: { switches } }),
    ...(command.faults === undefined ? {} : { faults: readFaultPlan(command.faults) }),
    ...(command.faultLog === undefined ? {} : { faultLogFile: command.faultLog }),
    ...(command.tokenFile === undefined ? {} : { tokenFile: command.tokenFile }),
    ...(command.account === undefined ? {} : { account: command.account }),
    ...(instruments.length === 0 ? {} : { instruments }),
    ...(barsFiles === undefined ? {} : { barsFiles }),
    ...(command.spreadPips === undefined ? {} : { spreadPips: spreadOption(command.spreadPips) }),
    ...(command.drawnBars === undefined ? {} : { drawnBars: wholeOption(command.drawnBars, 'drawn-bars', 1, 2_000_000) }),
    ...(command.drawnFrom === undefined ? {} : { drawnFrom: instantOfOption(command.drawnFrom, 'drawn-from') }),
  };
}

export const BROKER_HELP = `
In real time it draws a market that runs on this machine's clock: a netting account of 100,000 USD, a week of minutes
behind it, a price a second for each pair. In lockstep a daemon moves its time, over drawn bars or files of them.
It prints one line on stdout, {"rest","stream","token","account","instruments"}, and listens until it is told to stop.

With --faults it fails as a plan says: a seed, and faults by kind, by preset (lostResponse) or by row of the fault
catalogue. POST /faults injects one more, POST /faults/clear ends them all, GET /faults/log tells what happened.
  seed: 7
  faults:
    - preset: lostResponse
      at: +10m
    - kind: dropLines
      stream: pricing
      onRequest: { method: POST, path: /orders, nth: 2 }
      durationMs: 30000

Examples:
  npx reckoner broker --always-open --port 8700 --stream-port 8701 --token-file FILE
  npx reckoner broker --clock lockstep --instrument EUR_USD,USD_JPY,EUR_JPY --drawn-bars 3000
  npx reckoner broker --clock lockstep --faults plan.yaml --fault-log faults.jsonl
  npx reckoner broker --clock lockstep --bars EUR_USD=eurusd.csv.gz --bars USD_JPY=usdjpy.csv.gz`;

/** Listens until it is told to stop. The one line on stdout says where, for whoever started it. */
export async function runBroker(command: BrokerCommand): Promise<number> {
  const options = brokerOptions(command);
  if (options.faults !== undefined) announce(options.faults);
  const broker = await startLocalBroker(options);
  say(JSON.stringify({ rest: broker.rest, stream: broker.stream, token: broker.token, account: broker.account, instruments: broker.instruments }));
  await new Promise<void>((resolve) => {
    process.once('SIGTERM', () => resolve());
    process.once('SIGINT', () => resolve());
  });
  await broker.close();
  return 0;
}
