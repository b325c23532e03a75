/** `reckoner broker`: the local broker as a process of its own. */
import { startLocalBroker } from '../../adapters/broker/local-broker.ts';
import type { LocalBrokerOptions } from '../../adapters/broker/local-broker.ts';
import { parseInstant } from '../../domain/time.ts';
import { say, UsageError } from './common.ts';

export interface BrokerCommand {
  readonly port: string;
  readonly streamPort: string;
  readonly tokenFile?: string;
  readonly account?: string;
  readonly instrument: string;
  readonly bars?: string;
  readonly spreadPips?: string;
  readonly seed: string;
  readonly drawnBars?: string;
  readonly drawnFrom?: string;
  readonly clock: string;
  readonly alwaysOpen: boolean;
  readonly hold: boolean;
}

function number(text: string, option: string, least: number, most: number): number {
  const value = Number(text);
  if (!(value >= least && value <= most)) throw new UsageError(`--${option} must be a number from ${least} to ${most}, not "${text}"`);
  return value;
}

function whole(text: string, option: string, least: number, most: number): number {
  const value = number(text, option, least, most);
  if (!Number.isInteger(value)) throw new UsageError(`--${option} must be a whole number, not "${text}"`);
  return value;
}

function clockOf(text: string): 'lockstep' | 'realtime' {
  if (text !== 'lockstep' && text !== 'realtime') throw new UsageError(`--clock must be realtime or lockstep, not "${text}"`);
  return text;
}

function brokerOptions(command: BrokerCommand): LocalBrokerOptions {
  if (command.bars !== undefined && command.clock !== 'lockstep') throw new UsageError('--bars plays a file in accelerated time: add --clock lockstep');
  return {
    clock: clockOf(command.clock),
    port: whole(command.port, 'port', 0, 65_535),
    streamPort: whole(command.streamPort, 'stream-port', 0, 65_535),
    instrument: command.instrument,
    seed: whole(command.seed, 'seed', 0, 4_294_967_295),
    alwaysOpen: command.alwaysOpen,
    hold: command.hold,
    ...(command.tokenFile === undefined ? {} : { tokenFile: command.tokenFile }),
    ...(command.account === undefined ? {} : { account: command.account }),
    ...(command.bars === undefined ? {} : { barsFile: command.bars }),
    ...(command.spreadPips === undefined ? {} : { spreadPips: number(command.spreadPips, 'spread-pips', 0, 1_000) }),
    ...(command.drawnBars === undefined ? {} : { drawnBars: whole(command.drawnBars, 'drawn-bars', 1, 2_000_000) }),
    ...(command.drawnFrom === undefined ? {} : { drawnFrom: parseInstant(command.drawnFrom, '--drawn-from') }),
  };
}

/** Listens until it is told to stop. The one line on stdout says where, for whoever started it. */
export async function runBroker(command: BrokerCommand): Promise<number> {
  const broker = await startLocalBroker(brokerOptions(command));
  say(JSON.stringify({ rest: broker.rest, stream: broker.stream, token: broker.token, account: broker.account }));
  await new Promise<void>((resolve) => {
    process.once('SIGTERM', () => resolve());
    process.once('SIGINT', () => resolve());
  });
  await broker.close();
  return 0;
}
