/**
 * Every kind of fault that the broker's link can be given, with its parameters.
 *
 * A fault is active from `at` (or from the request that `onRequest` names) for `durationMs`, and strikes what it is
 * about: requests, lines of a stream, or, once, the account itself. Everything enters as text, as configuration does.
 */
import { z } from 'zod';
import { flag, integer } from '../../../config/schema.ts';
import { DAY_MS, TimeError, parseInstant } from '../../../domain/time.ts';
import type { Instant } from '../../../domain/time.ts';

/** A moment of market time, or so long after the plan was taken up. */
export type Moment = { readonly afterStartMs: number } | { readonly instant: Instant };

const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const OFFSET = /^\+(\d{1,12})(ms|s|m|h|d)$/;
const isUnit = (text: string): text is keyof typeof UNIT_MS => Object.hasOwn(UNIT_MS, text);

function readMoment(text: string): Moment | null {
  const [, count, unit] = OFFSET.exec(text) ?? [];
  if (count !== undefined && unit !== undefined && isUnit(unit)) return { afterStartMs: Number(count) * UNIT_MS[unit] };
  try {
    return { instant: parseInstant(text) };
  } catch (error) {
    if (error instanceof TimeError) return null;
    throw error;
  }
}

const moment = () => z.string().transform((text, context) => {
  const read = readMoment(text);
  if (read !== null) return read;
  context.addIssue({ code: 'custom', message: 'must be a time such as 2026-01-05T13:30:00Z, or an offset such as +90s' });
  return z.NEVER;
});

const METHODS = ['GET', 'POST', 'PUT', 'PATCH'] as const;
const DURATION_MS_MAX = 400 * DAY_MS;
const method = () => z.enum(METHODS).optional();
const path = () => z.string().regex(/^[/*][\w@/*.-]{0,199}$/, 'must be a path below the account such as /orders, with * for anything').optional();

const requestTrigger = z.strictObject({
  method: method().describe('GET, POST, PUT or PATCH; any when left out.'),
  path: path().describe('Path below the account, such as /orders; * stands for anything.'),
  nth: integer(1, 1_000_000).default(1).describe('Which of the matching requests sets the fault off, counted from 1.'),
});

export const probability = () => z.string().regex(/^(0(\.\d{1,9})?|1(\.0{1,9})?)$/, 'must be from 0 to 1').transform(Number).pipe(z.number().gt(0, 'must be above 0'));

/** When a fault is active, and how often it strikes. */
const timing = {
  name: z.string().regex(/^[\w-]{1,40}$/, 'must be 1 to 40 letters, digits, _ and -').optional().describe('What the fault log calls it; its kind when left out.'),
  at: moment().optional().describe('Market time from which it is active: a time, or an offset such as +5m; at once when left out.'),
  onRequest: requestTrigger.optional().describe('Active from this request on, which it can strike already.'),
  durationMs: integer(1, DURATION_MS_MAX).optional().describe('How long it stays active, in market time; until it is cleared when left out.'),
  after: integer(0, 1_000_000).default(0).describe('Matches that pass unharmed at first.'),
  probability: probability().default(1).describe('Share of the matches that it strikes, drawn from the seed.'),
  count: integer(1, 1_000_000).optional().describe('Strikes after which it is over; no end when left out.'),
};

/** Which requests: of the account and market routes, or of the streams' server. */
const requests = {
  host: z.enum(['rest', 'stream']).default('rest').describe('rest, or stream for the opening of streams.'),
  method: method().describe('GET, POST, PUT or PATCH; any when left out.'),
  path: path().describe('Path below the account, such as /orders; * stands for anything.'),
};
const lines = { stream: z.enum(['pricing', 'transactions']).optional().describe('pricing or transactions; both when left out.') };
const pair = () => z.string().regex(/^[A-Z0-9]{2,12}_[A-Z0-9]{2,12}$/, 'must be a pair such as EUR_USD');
const instrument = { instrument: pair().optional().describe('The pair; any when left out.') };
const wholeUnits = () => z.string().regex(/^-?[1-9]\d{0,8}$/, 'must be whole units such as 100, or -100 for a sale');
const pips = (usual: number) => integer(1, 100_000).default(usual).describe('Size of the move, in pips.');

const kind = <Name extends string, Shape extends z.core.$ZodLooseShape>(name: Name, shape: Shape) => z.strictObject({ kind: z.literal(name), ...timing, ...shape });

/** Faults of an exchange, struck before or after the broker acts on the request. */
const REQUEST_KINDS = [
  kind('latency', {
    ...requests,
    delayMs: integer(1, 600_000).describe('Wall time by which the exchange is delayed.'),
    jitterMs: integer(0, 600_000).default(0).describe('Up to this much more, drawn from the seed.'),
    phase: z.enum(['before', 'after']).default('before').describe('before or after the broker acts on it.'),
  }),
  kind('lostResponse', {
    ...requests,
    executed: flag().default(true).describe('Whether the broker acts on the request.'),
    cut: z.enum(['beforeFirstByte', 'afterHeaders', 'midBody', 'never']).default('beforeFirstByte').describe('Where the connection breaks; never leaves it open and silent.'),
  }),
  kind('status', {
    ...requests,
    status: integer(300, 599).describe('The status of the answer, 300 to 599.'),
    executed: flag().default(false).describe('Whether the broker acts on the request all the same.'),
    body: z.enum(['v20', 'html', 'empty']).default('v20').describe('v20 for the broker’s own error form, html for a proxy’s page, or empty.'),
    errorCode: z.string().max(100).optional().describe('errorCode of a v20 body.'),
    errorMessage: z.string().max(200).default('injected').describe('errorMessage of a v20 body.'),
    retryAfterSeconds: integer(0, 86_400).optional().describe('Retry-After header.'),
    location: z.string().max(200).optional().describe('Location header of a redirect.'),
  }),
  kind('lateExecution', {
    ...requests,
    delayMs: integer(1, DAY_MS).describe('Market time after which the broker acts on the request.'),
    reply: z.enum(['lost', 'gatewayTimeout']).default('gatewayTimeout').describe('lost cuts the connection, gatewayTimeout answers 504.'),
  }),
  kind('badBody', {
    ...requests,
    form: z.enum(['garbage', 'html', 'truncated', 'wrongCharset', 'duplicateKeys', 'prototypeKey', 'numbers', 'exponent', 'notANumber', 'deepNesting', 'unknownFields', 'unknownEnum', 'huge', 'drip', 'gzipBomb']).describe('What is wrong with the answer’s body.'),
    bytes: integer(1, 256 * 1024 * 1024).default(9 * 1024 * 1024).describe('Size of a huge body, or of a gzip bomb once inflated.'),
    depth: integer(1, 1_000_000).default(10_000).describe('Depth of deepNesting.'),
    intervalMs: integer(1, 60_000).default(500).describe('Wall time between two bytes of a dripping body.'),
  }),
  kind('staleReads', { ...requests }),
  kind('accountChanged', { field: z.enum(['id', 'currency', 'hedging']).describe('What the snapshots say differently: id, currency or hedging.') }),
  kind('clockSkew', { skewMs: z.string().regex(/^-?\d{1,9}$/, 'must be whole milliseconds').transform(Number).describe('By how much Date headers and heartbeats are ahead, or behind when negative.') }),
  kind('badCandles', {
    ...instrument,
    form: z.enum(['incomplete', 'late', 'missing', 'revised', 'crossed', 'zero', 'outlier']).describe('What is wrong with the candles.'),
    ageMs: integer(1, DAY_MS).default(60_000).describe('incomplete and late: until this long after its close; revised: from then on.'),
    pips: pips(5),
  }),
  kind('withheldTransactions', { type: z.string().regex(/^[A-Z_]{1,60}$/).optional().describe('Transactions of this type only, such as ORDER_FILL.') }),
  kind('alteredTransactions', { type: z.string().regex(/^[A-Z_]{1,60}$/).optional().describe('Transactions of this type only, such as ORDER_FILL.') }),
] as const;

/** Faults of prices, in snapshots and on the stream. */
const PRICE_KINDS = [
  kind('badPrice', {
    ...instrument,
    form: z.enum(['nonTradeable', 'stale', 'crossed', 'zero', 'notANumber', 'outlier', 'wide']).describe('What is wrong with the prices.'),
    ageMs: integer(1, DAY_MS).default(60_000).describe('How old a stale price is.'),
    pips: pips(50),
  }),
] as const;

/** Faults of the lines of a stream, and of its connection. */
const STREAM_KINDS = [
  kind('dropLines', { ...lines, lines: z.enum(['all', 'data', 'heartbeats']).default('all').describe('Which lines are lost.') }),
  kind('duplicateLines', { ...lines, copies: integer(1, 100).default(1).describe('Further copies of a line.') }),
  kind('lateLines', { ...lines, delayMs: integer(1, DAY_MS).describe('Market time for which a line of data is held back; later ones pass it.') }),
  kind('reorderedLines', { ...lines }),
  kind('slicedLines', { ...lines, bytes: integer(1, 65_536).default(7).describe('Size of the pieces in which a line is sent.') }),
  kind('mergedLines', { ...lines, lines: integer(2, 100).default(3).describe('Lines that are held until they go out together.') }),
  kind('badLine', {
    ...lines,
    form: z.enum(['garbage', 'truncated', 'oversized', 'html', 'notUtf8', 'unknownType']).describe('What stands in the line’s place.'),
    bytes: integer(1, 64 * 1024 * 1024).default(65 * 1024).describe('Size of an oversized line.'),
  }),
  kind('cutStream', { ...lines, midLine: flag().default(false).describe('Cut in the middle of the next line of data.') }),
  kind('heartbeatAhead', { by: integer(1, 1_000_000).default(1).describe('How many ids the heartbeat’s lastTransactionID is ahead.') }),
] as const;

const amount = () => z.string().regex(/^-?\d{1,9}(\.\d{1,10})?$/, 'must be a plain decimal such as 12.5');
const positiveUnits = () => z.string().regex(/^\d{1,9}(\.\d{1,10})?$/, 'must be units such as 5').refine((text) => Number(text) > 0, 'must be above zero');
const oneInstrument = { instrument: pair().default('EUR_USD').describe('The pair.') };

/** What happens to the account by somebody else's doing, once, when the fault becomes active. */
const ACCOUNT_KINDS = [
  kind('foreignTrade', {
    ...oneInstrument,
    units: wholeUnits().default('10').describe('Units; negative for a sale.'),
    tag: z.string().max(128).optional().describe('Tag of its client extensions, such as reckoner:epoch:99.'),
    clientId: z.string().max(128).optional().describe('Client id of the order; takeOurs takes that of our newest order.'),
  }),
  kind('manualClose', { ...instrument, units: z.union([z.literal('ALL'), wholeUnits()]).default('ALL').describe('ALL, or units of each open trade.') }),
  kind('stopCancelled', { ...instrument }),
  kind('stopMoved', { ...instrument, pips: z.string().regex(/^-?[1-9]\d{0,4}$/, 'must be whole pips').transform(Number).default(20).describe('How much farther from the market, or nearer when negative.') }),
  kind('marginCloseout', {}),
  kind('delayedTradeClosure', { ...instrument }),
  kind('transfer', { amount: amount().default('-100').describe('A deposit, or a withdrawal when negative, in the account’s currency.') }),
  kind('dividend', { ...oneInstrument, quotePerUnit: amount().default('-0.0001').describe('Quote currency for each unit held long.') }),
  kind('lateFill', { orders: integer(1, 1_000).default(1).describe('Market orders that are accepted at once and filled late.'), delayMs: integer(1, DAY_MS).describe('Market time between acceptance and the first price that they can meet.') }),
  kind('thinMarket', { ...oneInstrument, units: integer(0, 100_000_000).default(0).describe('Units on offer on either side.'), points: integer(1, 1_000_000).default(60).describe('Price points for which the market stays thin.') }),
  kind('forcedFill', { ...oneInstrument, units: positiveUnits().describe('Units that the next opening order fills, whatever it asked for.') }),
  kind('burntIds', { ids: integer(1, 10_000).default(1).describe('Transaction ids that no transaction will ever have.') }),
  kind('unknownTransaction', { type: z.string().regex(/^[A-Z_]{1,60}$/, 'must be a name in capitals').default('CARBON_LEVY').describe('The type that nobody knows.') }),
] as const;

/** What the venue does for as long as the fault is active. */
const VENUE_KINDS = [
  kind('instrumentStatus', {
    ...oneInstrument,
    status: z.enum(['HALTED', 'BID_HALTED', 'ASK_HALTED', 'REDUCE_ONLY', 'BID_REDUCE_ONLY', 'ASK_REDUCE_ONLY']).default('HALTED').describe('What the instrument may be used for; buying meets the ask’s state and selling the bid’s.'),
  }),
  kind('accountLock', {
    lock: z
      .enum(['ACCOUNT_LOCKED', 'ACCOUNT_ORDER_CREATION_LOCKED', 'ACCOUNT_ORDER_CANCEL_LOCKED', 'ACCOUNT_ORDER_FILL_LOCKED', 'ACCOUNT_NEW_POSITIONS_LOCKED', 'ACCOUNT_CONFIGURATION_LOCKED'])
      .default('ACCOUNT_LOCKED')
      .describe('How the account is locked: the reason that refused requests carry.'),
  }),
  kind('priceJump', { ...oneInstrument, pips: z.string().regex(/^-?[1-9]\d{0,4}$/, 'must be whole pips').transform(Number).default(30).describe('By how much every price is displaced, downwards when negative.') }),
  kind('refuseStreams', {}),
] as const;

export const faultSchema = z.discriminatedUnion('kind', [...REQUEST_KINDS, ...PRICE_KINDS, ...STREAM_KINDS, ...ACCOUNT_KINDS, ...VENUE_KINDS]);
export type Fault = z.infer<typeof faultSchema>;
export type FaultKind = Fault['kind'];
export type FaultOf<Kind extends FaultKind> = Extract<Fault, { readonly kind: Kind }>;

const namesOf = <Name extends string>(options: readonly { readonly shape: { readonly kind: { readonly value: Name } } }[]): ReadonlySet<Name> => new Set(options.map((option) => option.shape.kind.value));
export const ACCOUNT_FAULTS: ReadonlySet<FaultKind> = namesOf(ACCOUNT_KINDS);
/** Faults whose whole being is to begin and, it may be, to end: nothing is matched. */
export const EVENT_FAULTS: ReadonlySet<FaultKind> = new Set<FaultKind>([...ACCOUNT_FAULTS, ...namesOf(VENUE_KINDS)]);

type Shape = { readonly [key: string]: unknown };
const descriptionIn = (shape: Shape, key: string): string | null => (shape[key] instanceof z.ZodType ? (shape[key].description ?? null) : null);

/** What a key means in a fault of this kind, for the message about a wrong value. */
export function describeKey(kindName: unknown, key: string): string {
  const option = faultSchema.options.find((each) => each.shape.kind.value === kindName);
  return (option === undefined ? null : descriptionIn(option.shape, key)) ?? descriptionIn(requestTrigger.shape, key) ?? '';
}

/** The keys that every fault has: those that may be given beside a preset. */
export const TIMING_KEYS: ReadonlySet<string> = new Set(Object.keys(timing));
