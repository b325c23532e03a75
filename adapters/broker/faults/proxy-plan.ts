/**
 * What a fault proxy does to connections. The names are those of Toxiproxy's toxics, for readers who know them:
 * latency, bandwidth, slowClose, timeout, reset, slicer, limitData and down.
 */
import { z } from 'zod';
import { EntryError, findingsOf, fromDocument, fromFile } from './documents.ts';
import { probability } from './kinds.ts';
import { integer } from '../../../config/schema.ts';
import { DAY_MS, HOUR_MS } from '../../../domain/time.ts';
import type { RawMap } from '../../../config/source.ts';

const common = {
  name: z.string().regex(/^[\w-]{1,40}$/, 'must be 1 to 40 letters, digits, _ and -').optional().describe('What the log calls it; its kind when left out.'),
  match: z.string().min(1).max(200).optional().describe('Strikes only exchanges whose request begins with this text, such as POST; whole connections when left out.'),
  after: integer(0, 1_000_000).default(0).describe('Matches that pass unharmed at first.'),
  count: integer(1, 1_000_000).optional().describe('Strikes after which it is over; no end when left out.'),
  probability: probability().default(1).describe('Share of the matches that it strikes, drawn from the seed.'),
  fromMs: integer(0, 30 * DAY_MS).default(0).describe('Time from its being added until it is active.'),
  durationMs: integer(1, 30 * DAY_MS).optional().describe('How long it stays active; until it is removed when left out.'),
};
const direction = { direction: z.enum(['request', 'reply']).default('reply').describe('request for bytes towards the server, reply for those that come back.') };
const delay = (description: string) => integer(0, HOUR_MS).describe(description);

const toxicSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('latency'), ...common, ...direction, delayMs: delay('Delay of every byte.'), jitterMs: integer(0, HOUR_MS).default(0).describe('Up to this much more, drawn from the seed.') }),
  z.strictObject({ kind: z.literal('bandwidth'), ...common, ...direction, bytesPerSecond: integer(1, 1_000_000_000).describe('Bytes that pass in a second.') }),
  z.strictObject({ kind: z.literal('slowClose'), ...common, ...direction, delayMs: delay('Time between the end of one side and that of the other.') }),
  z.strictObject({ kind: z.literal('timeout'), ...common, ...direction, closeMs: integer(1, HOUR_MS).optional().describe('Close after this time; never when left out.') }),
  z.strictObject({ kind: z.literal('reset'), ...common, ...direction, afterBytes: integer(0, 1_000_000_000).default(0).describe('Bytes that pass before the connection is reset.') }),
  z.strictObject({ kind: z.literal('slicer'), ...common, ...direction, bytes: integer(1, 65_536).describe('Size of the pieces.'), delayMs: delay('Pause between two pieces.').default(0) }),
  z.strictObject({ kind: z.literal('limitData'), ...common, ...direction, bytes: integer(0, 1_000_000_000).describe('Bytes that pass before the connection is closed.') }),
  z.strictObject({ kind: z.literal('down'), ...common }),
]);
export type Toxic = z.infer<typeof toxicSchema>;

const planSchema = z.strictObject({
  seed: integer(0, 4_294_967_295).default(0).describe('Seed of every draw.'),
  toxics: z.array(toxicSchema).max(1_000).default([]).describe('What is done to connections.'),
});
export type ProxyPlan = z.infer<typeof planSchema>;

const descriptions: ReadonlyMap<string, string> = new Map(toxicSchema.options.flatMap((option) => Object.entries(option.shape).map(([key, field]): [string, string] => [key, (field as z.ZodType).description ?? ''])));

function read(values: RawMap): ProxyPlan {
  const parsed = planSchema.safeParse(values, { reportInput: true });
  if (!parsed.success) throw new EntryError(findingsOf(parsed.error, [], (key) => descriptions.get(key) ?? ''));
  return parsed.data;
}

/** The plan of a document that is at hand. @throws ConfigError */
export const proxyPlanOf = (document: unknown): ProxyPlan => fromDocument('proxy plan', document, read);

/** Reads a plan (YAML or JSON). @throws ConfigError with the line and the key of everything that is wrong. */
export const readProxyPlan = (file: string): ProxyPlan => fromFile(file, read);
