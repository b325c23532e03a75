/** Operator commands: they reach the daemon over its unix socket and change nothing by themselves. */
import { createInterface } from 'node:readline/promises';
import { z } from 'zod';
import { fetchStatus, sendCommand } from '../../adapters/control/client.ts';
import type { ControlCommand, OperatorVerb } from '../../adapters/control/protocol.ts';
import { worstLoss } from '../../config/checks.ts';
import { format } from '../../domain/money.ts';
import { EXIT } from '../daemon/runtime.ts';
import type { ConfigOption } from './common.ts';
import { load, say, sayJson, UsageError, warn } from './common.ts';

export interface OperatorOptions extends ConfigOption {
  readonly operator: string;
  readonly reason: string;
  readonly yes?: boolean;
  /** What `acknowledge` is about: the one or the other. */
  readonly trade?: string;
  readonly transaction?: string;
  readonly json: boolean;
}

/** What arming shows of the daemon that it is about to arm. */
const statusSchema = z.object({
  policy: z.string(),
  model: z.string(),
  mode: z.string(),
  request: z.object({ verb: z.string(), operator: z.string(), reason: z.string(), until: z.string() }).nullable(),
});

/** Asks on a terminal; without one the answer must have been given with `--yes`. @throws UsageError with `remedy` otherwise. */
export async function confirmed(question: string, yes: boolean, remedy: string): Promise<boolean> {
  if (yes) return true;
  if (!process.stdin.isTTY) throw new UsageError(remedy);
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return (await terminal.question(`${question} [type yes] `)).trim() === 'yes';
  } finally {
    terminal.close();
  }
}

function commandOf(verb: OperatorVerb, { operator, reason, trade, transaction }: OperatorOptions): ControlCommand {
  if (verb !== 'acknowledge') return { verb, operator, reason };
  const id = trade ?? transaction;
  if (id === undefined || (trade !== undefined && transaction !== undefined)) throw new UsageError('acknowledge is about one thing: give --trade <id> or --transaction <id>, as `status` lists them');
  return { verb, operator, reason, subject: trade === undefined ? 'transaction' : 'trade', id };
}

export async function operate(verb: OperatorVerb, options: OperatorOptions): Promise<number> {
  const command = commandOf(verb, options);
  const { config } = load(options);
  if (verb === 'arm') {
    const status = statusSchema.parse(await fetchStatus(config.control.socketPath));
    warn(`${config.broker.environment} account ${config.broker.accountId}, policy ${status.policy}, model ${status.model}, mode ${status.mode}`);
    warn(`the limits allow a loss of up to ${format(worstLoss(config))} ${config.broker.accountCurrency} before trading stops`);
    if (status.request !== null) warn(`${status.request.operator} has requested to ${status.request.verb} (${status.request.reason}); until ${status.request.until} another operator may carry it out`);
    if (!(await confirmed('arm trading?', options.yes ?? false, 'arming asks for confirmation, and there is no terminal: add --yes once you have read the worst loss'))) {
      warn('not armed');
      return 1;
    }
  }
  return tell(config.control.socketPath, options.json, command);
}

/** Sends one command to the daemon and says what came of it. @returns 1 when it was refused, 75 when it waits for a second operator. */
export async function tell(socketPath: string, json: boolean, command: ControlCommand): Promise<number> {
  const outcome = await sendCommand(socketPath, command);
  if (json) sayJson({ version: 1, ...outcome });
  else say(`${outcome.accepted ? 'ok' : outcome.pending === true ? 'requested' : 'refused'}: ${outcome.message} (mode ${outcome.mode})`);
  return outcome.accepted ? EXIT.ok : outcome.pending === true ? EXIT.tryAgain : 1;
}

