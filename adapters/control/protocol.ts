/** What goes over the control socket: one command or one question, and one answer. */
import { z } from 'zod';
import { MODES } from '../../domain/events.ts';
import type { Json } from '../../domain/canonical.ts';

const PLAIN_VERBS = ['arm', 'disarm', 'halt', 'resume', 'reconcile'] as const;
const VERBS_TEXT = [...PLAIN_VERBS, 'acknowledge', 'swap-model'].join(', ');

/** A line for the log: bounded, and without what could forge another line. */
const line = (field: string, lengthMax: number) =>
  z.string(`${field} is required`).max(lengthMax, `${field} must have at most ${lengthMax} characters`).regex(/^[^\p{Cc}]*$/u, `${field} must not hold control characters`);

/** Only the shape is judged here. Who may be an operator and what is a reason is the daemon's to say and to record. */
const who = { operator: line('operator', 64), reason: line('reason', 500) };
export const commandSchema = z.discriminatedUnion('verb', [
  z.strictObject({ verb: z.enum(PLAIN_VERBS), ...who }),
  z.strictObject({
    verb: z.literal('acknowledge'),
    ...who,
    subject: z.enum(['trade', 'transaction'], 'subject must be trade or transaction'),
    id: z.string('id is required').regex(/^[1-9]\d{0,15}$/, 'id must be the broker’s id of the trade or transaction'),
  }),
  z.strictObject({ verb: z.literal('swap-model'), ...who, directory: line('directory', 1_024).startsWith('/', 'directory must be an absolute path') }),
], { error: (issue) => (issue.code === 'invalid_union' ? `verb must be one of ${VERBS_TEXT}` : undefined) });

export const outcomeSchema = z.strictObject({
  accepted: z.boolean(),
  /** Not carried out yet: another operator must say the same. */
  pending: z.literal(true).optional(),
  /** The mode after the command. */
  mode: z.enum(MODES),
  /** For a human: what happened, or why not and what to do. */
  message: z.string(),
});

/** The commands that need no more than a name and a reason, and the one that names what it acknowledges. */
export type OperatorVerb = (typeof PLAIN_VERBS)[number] | 'acknowledge';
export type ControlCommand = z.infer<typeof commandSchema>;
export type ControlOutcome = z.infer<typeof outcomeSchema>;

/** What the daemon does with what comes over the socket. A refusal is an outcome; only a fault rejects. */
export interface ControlHandler {
  command(command: ControlCommand): Promise<ControlOutcome>;
  status(): Promise<Json>;
}
