/**
 * The configuration file's shape, defaults and documentation.
 *
 * Everything enters as text (a YAML scalar or an environment variable) and leaves as canonical JSON values: whole
 * numbers, booleans, and decimals as their shortest plain text. So one configuration has one hash, however it was
 * spelled. `config.ts` turns these values into money, prices and instants.
 */
import { z } from 'zod';
import { format, units } from '../domain/money.ts';
import { SECOND_OPERATOR } from '../domain/consent.ts';
import { DISPOSITIONS } from '../domain/events.ts';

const DECIMAL = /^\d{1,12}(\.\d{1,10})?$/;
const CLOCK_TIME = /^([01]\d|2[0-3]):[0-5]\d$/;
const YEARLY_TIME = /^(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01]) ([01]\d|2[0-3]):[0-5]\d$/;

/** A plain decimal, at least (or above) `min` and at most `max`, canonically spelled. */
function decimal({ above, min = '0', max }: { above?: string; min?: string; max?: string } = {}) {
  const range = `${above === undefined ? `at least ${min}` : `above ${above}`}${max === undefined ? '' : ` and at most ${max}`}`;
  return z
    .string()
    .regex(DECIMAL, 'must be a plain decimal such as 12.5, with at most 10 decimals')
    .refine((text) => {
      if (!DECIMAL.test(text)) return true;
      const value = units(text);
      const highEnough = above === undefined ? value >= units(min) : value > units(above);
      return highEnough && (max === undefined || value <= units(max));
    }, `must be ${range}`)
    .transform((text) => (DECIMAL.test(text) ? format(units(text)) : text));
}

/** A whole number within bounds. */
export function integer(min: number, max: number) {
  return z
    .string()
    .regex(/^-?\d{1,15}$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.number().min(min, `must be at least ${min}`).max(max, `must be at most ${max}`));
}

export const flag = () => z.enum(['true', 'false'], 'must be true or false').transform((text) => text === 'true');
const clockTime = () => z.string().regex(CLOCK_TIME, 'must be a time of day such as 17:00');
const yearlyTime = () => z.string().regex(YEARLY_TIME, 'must be a day and time of every year such as 12-24 17:00');
const path = () => z.string().min(1, 'must not be empty').max(1024, 'must be at most 1024 characters');
const disposition = () => z.enum(DISPOSITIONS);

const deployment = z.strictObject({
  name: z.string().regex(/^[a-z0-9-]{1,32}$/, 'must be 1 to 32 of a-z, 0-9 and dash').describe('Names this deployment in streams, metrics and logs.'),
  dataDirectory: path().describe('Where the log, the read models and the control socket live; relative to the working directory.'),
});

const broker = z.strictObject({
  environment: z.enum(['practice', 'live', 'local']).describe('practice, live, or local for the local broker.'),
  restUrl: z.string().optional().describe('Base URL for requests; required for local, fixed for practice and live.'),
  streamUrl: z.string().optional().describe('Base URL for streams; required for local, fixed for practice and live.'),
  accountId: z.string().regex(/^\d{3}-\d{3}-\d{1,12}-\d{3}$/, 'must look like 101-001-1234567-001').describe('The account that this daemon trades, alone.'),
  accountCurrency: z.string().regex(/^[A-Z]{3}$/, 'must be a currency such as USD').default('USD').describe('Home currency of the account; reconciliation compares it.'),
  tokenFile: path()
    .refine((text) => !/^[0-9a-f]{32}-[0-9a-f]{32}$/i.test(text), 'holds a token where the path of a token file belongs')
    .describe('File that holds the API token and that nobody else can read.'),
  restDeadlineMs: integer(100, 60_000).default(10_000).describe('A request without a complete answer after this time has failed.'),
  clock: z.enum(['system', 'lockstep']).default('system').describe('lockstep takes its time from the local broker, which then runs as fast as we do.'),
});

const instrument = z.strictObject({
  name: z.string().regex(/^[A-Z]{3}_[A-Z]{3}$/, 'must be a pair such as EUR_USD').describe('The broker’s name of the pair.'),
  orderUnits: decimal({ above: '0' }).default('1').describe('Units of each opening order.'),
  stopLossPips: decimal({ above: '0', max: '10000' }).describe('Distance of the protective stop that every opening order carries.'),
  spreadPipsP999: decimal({ above: '0', max: '10000' }).optional().describe('99.9th percentile of the spread, rollover included; the stop must be 3 times as far. Known beforehand for EUR_USD.'),
  gapAllowancePips: decimal({ max: '100000' }).optional().describe('How far beyond the stop a fill may land before the loss limits count it. Known beforehand for common pairs.'),
  quoteToHome: decimal({ above: '0' }).optional().describe('Home currency for one unit of quote currency, rounded against us. Known beforehand for dollar accounts.'),
  baseToHome: decimal({ above: '0' }).optional().describe('Home currency for one unit of base currency, rounded up; limits that are left out follow from it. Known beforehand for dollar accounts.'),
});

const trading = z.strictObject({
  onOppositeSignal: z.enum(['close', 'reverse']).default('close').describe('What BUY means while short and SELL while long.'),
  entry: z.enum(['market', 'limit']).default('market').describe('Opening orders: market, or limit at the price bound, which the broker itself refuses when it arrives late.'),
  limitGoodForMs: integer(1_000, 60_000).default(10_000).describe('How long such a limit order may wait for its fill.'),
  priceBoundPips: decimal({ above: '0', max: '1000' }).default('5').describe('Collar: an opening order fills within this distance of the quote it was decided on, or not at all.'),
  windowGapMinutesMax: integer(0, 1_440).default(10).describe('A window of bars may cross an open gap of at most this many minutes.'),
  blindBarsMax: integer(1, 1_440).default(5).describe('A position is flattened after this many open bars without a possible decision.'),
  fridayFlatten: z
    .strictObject({
      enabled: flag().default(true).describe('false holds positions over the weekend.'),
      minuteNewYork: clockTime().default('16:30').describe('New York time on Friday from which positions are flattened and none is opened.'),
    })
    .prefault({})
    .describe('Going into the weekend.'),
  blackout: z
    .strictObject({
      afterOpenMinutes: integer(0, 1_440).default(10).describe('Nothing is opened within so many minutes of the week’s open.'),
      beforeCloseMinutes: integer(0, 1_440).default(15).describe('Nothing is opened within so many minutes of the week’s close.'),
    })
    .prefault({})
    .describe('Minutes of the week in which nothing is opened.'),
  rereadBars: integer(0, 30).default(3).describe('Bars before the newest that are read again at each minute’s end, to notice revisions.'),
  quietPeriodMs: integer(10_000, 3_600_000).default(120_000).describe('An order of unknown outcome counts as never placed after the ledger has been silent for this long.'),
  lateFillBars: integer(1, 60).default(1).describe('A fill more than this many bars after its decision is closed, not kept.'),
});

const muzero = z.strictObject({
  kind: z.literal('muzero').describe('muzero: tree search over a learned model.'),
  modelDirectory: path().describe('Directory with model.json and its networks; relative to the working directory.'),
  featureSetId: z.string().regex(/^[a-z0-9-]{1,40}$/, 'must be the id of a feature set such as swt-137').default('swt-137').describe('Features that the model must have been made for.'),
  algorithm: z.enum(['puct', 'gumbel']).default('puct').describe('puct weighs prior against value; gumbel halves its candidates step by step.'),
  simulations: integer(1, 1_000).default(15).describe('Tree search simulations for each decision.'),
  discount: decimal({ above: '0', max: '1' }).default('0.997').describe('Discount of one bar.'),
  minConfidence: decimal({ max: '1' }).default('0.35').describe('HOLD when the chosen action has a smaller share: of the visits, or under gumbel of the improved policy.'),
  temperature: decimal({ max: '100' }).default('0').describe('0 takes the most visited action; above it one is drawn in proportion to visits^(1/temperature), and the draw is logged. puct only.'),
  seed: integer(0, 4_294_967_295).default(0).describe('Seed of every draw.'),
  pbCInit: decimal({ above: '0', max: '100' }).default('1.25').describe('Exploration constant of puct.'),
  pbCBase: decimal({ above: '0' }).default('19652').describe('Visits over which puct explores more by ln 2.'),
  gumbel: z
    .strictObject({
      consideredActionsMax: integer(1, 1_024).default(16).describe('Actions that the halving starts with, at most.'),
      maxVisitInit: decimal({ max: '100000' }).default('50').describe('Weight of values against priors, in visits.'),
      valueScale: decimal({ max: '1000' }).default('0.1').describe('Factor on that weight.'),
      scale: decimal({ max: '100' }).default('0').describe('0 acts without noise; above it each decision draws Gumbel numbers of this scale from the seed and logs them.'),
    })
    .prefault({})
    .describe('What gumbel alone reads.'),
});
const hold = z.strictObject({ kind: z.literal('hold').describe('hold: never trades.') });
const smaCross = z.strictObject({
  kind: z.literal('sma-cross').describe('sma-cross: trades the crossing of two moving averages.'),
  fastBars: integer(1, 4_999).describe('Bars of the fast average.'),
  slowBars: integer(2, 5_000).describe('Bars of the slow average.'),
});
const random = z.strictObject({
  kind: z.literal('random').describe('random: draws its actions from a seed.'),
  seed: integer(0, 4_294_967_295).describe('Seed of every draw.'),
  holdShare: decimal({ max: '1' }).default('0.9').describe('Share of the decisions that are HOLD.'),
});

const safety = z.strictObject({
  maxOrderUnits: decimal({ above: '0' }).default('1').describe('No order is larger.'),
  maxPositionUnits: decimal({ above: '0' }).default('1').describe('No position in any instrument is larger.'),
  orderNotionalMax: decimal({ above: '0' }).optional().describe('No order is worth more, in account currency. Left out: the largest order at the dearest price.'),
  grossExposureMax: decimal({ above: '0' }).optional().describe('All open trades and orders in flight together are worth no more, in account currency. Left out: every instrument’s largest position at the dearest price.'),
  currencyExposureMax: decimal({ above: '0' }).optional().describe('What they hold, or owe, of any one currency is worth no more, in account currency. Left out: twice the dearest instrument’s largest position, so that at most two of a size lean the same way.'),
  openTradesMax: integer(1, 1_000).optional().describe('Trades open and orders in flight at once. Left out: one for each instrument.'),
  marginShareMax: decimal({ above: '0', max: '1' }).default('0.3').describe('Margin that they need, as a share of the account’s equity.'),
  quoteAgeMsMax: integer(100, 600_000).default(5_000).describe('No opening order on a quote older than this.'),
  spreadPipsMax: decimal({ above: '0', max: '10000' }).default('4').describe('No opening order on a wider spread.'),
  outlierRangesMax: decimal({ above: '0', max: '1000' }).default('10').describe('A quote that jumps by more than so many median bar ranges is not opened on until three ticks agree.'),
  pricesStaleMsMax: integer(10_000, 3_600_000).default(300_000).describe('Without a price for this long in open hours the price stream counts as stale and is opened anew.'),
  clockSkewMsWarn: integer(100, 60_000).default(1_000).describe('A broker’s clock farther from ours than this is told in an alert.'),
  clockSkewMsMax: integer(100, 60_000).default(5_000).describe('No opening order while the broker’s clock is farther from ours than this.'),
  dailyLossMoney: decimal({ above: '0' }).default('1').describe('Loss of a trading day (17:00 New York), in account currency, that halts.'),
  dailyLossPips: decimal({ above: '0' }).default('100').describe('Loss of a trading day, in pips, that halts.'),
  weeklyLossMoney: decimal({ above: '0' }).optional().describe('Loss of a trading week (from Sunday 17:00 New York), in account currency, that halts. Left out: three times the day’s.'),
  drawdownMoney: decimal({ above: '0' }).optional().describe('Loss from the highest profit, in account currency, that halts; counted anew from where an operator resumes. Left out: five times the day’s.'),
  lossesInARowMax: integer(1, 1_000_000).default(3).describe('So many losing trades in a row halt.'),
  executionsMax: integer(1, 1_000_000).default(10).describe('Opening orders since an operator last armed or resumed; wanting another one halts.'),
  tradeLossMoney: decimal({ above: '0' }).default('0.25').describe('What one trade may cost at worst, in account currency: units stopped out with the gap behind the stop must fit below.'),
  ordersPerHourMax: integer(1, 10_000).default(4).describe('Orders meant in any hour, closes included, above which nothing is opened.'),
  ordersPerDayMax: integer(1, 100_000).default(20).describe('Orders meant in any 24 hours, closes included, above which nothing is opened.'),
  slippageShareMax: decimal({ max: '1' }).default('0.1').describe('Slippage, as a share of the price bound’s distance, above which a fill counts as a strike.'),
  slippageStrikesMax: integer(1, 100).default(3).describe('Strikes since the last arming that halt.'),
  positionCheckIntervalMs: integer(1_000, 600_000).default(30_000).describe('While a position is open its size is compared with the broker’s this often.'),
  diskFreeBytesMin: integer(0, 999_999_999_999_999).default(1_073_741_824).describe('With less room for the log than this, in bytes, an armed daemon only reduces and nothing is opened.'),
  secondOperator: z.enum(SECOND_OPERATOR).default('none').describe('Commands that take effect only when another operator says the same within ten minutes: none, arm, or armAndResume. Nothing that stops trading ever does.'),
  restart: z
    .strictObject({
      downMsMax: integer(0, 86_400_000).default(300_000).describe('After a longer absence the daemon does not come back armed.'),
      crashesPerHourMax: integer(1, 60).default(3).describe('With this many crashes in an hour the daemon does not come back armed.'),
    })
    .prefault({})
    .describe('When a restart may resume the mode it had.'),
  dispositions: z
    .strictObject({
      lossLimit: disposition().default('flatten').describe('A loss limit was reached.'),
      overFill: disposition().default('flatten').describe('A fill was larger than its order.'),
      positionLimit: disposition().default('flatten').describe('The position is above its limit.'),
      slippage: disposition().default('hold').describe('Too many fills slipped by more than the tolerance.'),
      losingStreak: disposition().default('flatten').describe('Too many trades in a row lost.'),
      executions: disposition().default('flatten').describe('Too many orders were opened without an operator.'),
      model: disposition().default('flatten').describe('The model or its numbers are faulty.'),
      data: disposition().default('flatten').describe('Market data is faulty.'),
      foreignTrade: disposition().default('hold').describe('A trade that is not ours is on the account.'),
      authentication: disposition().default('hold').describe('The broker refuses the token.'),
      unknownSchema: disposition().default('hold').describe('The broker sent something that this build cannot read.'),
      protocol: disposition().default('hold').describe('The broker calls a request of ours malformed.'),
      egress: disposition().default('hold').describe('A request left for the broker that no intent in the log stands behind.'),
      rejections: disposition().default('hold').describe('The broker rejected three orders within ten minutes.'),
      discrepancy: disposition().default('hold').describe('The ledger and the broker disagree.'),
      operator: disposition().default('hold').describe('An operator said halt.'),
      emergency: disposition().default('hold').describe('A HALT file lies beside the control socket: emergency-close, or a hand, put it there.'),
    })
    .prefault({})
    .describe('What each cause of a halt does to an open position: flatten or hold.'),
});

const calendar = z.strictObject({
  alwaysOpen: flag().default(false).describe('Trade around the clock; for the local broker only.'),
  hours: z
    .array(
      z.strictObject({
        from: z.iso.date('must be a date such as 2024-12-25').describe('First day (UTC) on which the row holds.'),
        open: clockTime().describe('New York time at which each session opens, Sunday to Thursday.'),
        close: clockTime().describe('New York time at which each session closes on the next day.'),
      }),
    )
    .min(1, 'must have at least one row')
    .max(64, 'must have at most 64 rows')
    .optional()
    .describe('Dated opening hours; OANDA’s own when left out.'),
  extraBreaks: z
    .array(
      z.strictObject({
        from: z.iso.date('must be a date such as 2021-11-29').describe('First day (UTC) on which the row holds for its currency.'),
        currency: z.string().regex(/^[A-Z]{3}$/, 'must be a currency such as NZD').describe('Its pairs have the break.'),
        start: clockTime().describe('New York time at which they close, Monday to Friday.'),
        end: clockTime().describe('New York time at which they open again on the same day.'),
      }),
    )
    .max(64, 'must have at most 64 rows')
    .optional()
    .describe('Dated daily breaks of single currencies; OANDA’s own when left out.'),
  holidays: z
    .array(
      z.strictObject({
        start: yearlyTime().describe('New York day and time of every year from which minutes are optional.'),
        end: yearlyTime().describe('New York day and time at which they are expected again.'),
      }),
    )
    .max(64, 'must have at most 64 rows')
    .optional()
    .describe('Spans whose minutes are neither expected nor an error, and in which nothing is opened; OANDA’s own when left out.'),
});

const control = z.strictObject({
  socketPath: path().optional().describe('Unix socket for operator commands; control.sock in the data directory when left out.'),
  httpHost: z.enum(['127.0.0.1', '::1'], 'must be a loopback address: 127.0.0.1 or ::1').default('127.0.0.1').describe('Loopback address for health, readiness and metrics.'),
  httpPort: z.union([z.literal('off'), integer(0, 65_535)], 'must be off, or a port from 0 (any free one) to 65535').default('off').describe('Port for health, readiness and metrics: off, 0 for any, or a number.'),
});

export const settingsSchema = z.strictObject({
  deployment: deployment.describe('Who this daemon is and where it keeps its data.'),
  broker: broker.describe('Which account, on which server.'),
  instruments: z.array(instrument).min(1, 'must name at least one instrument').max(32, 'must name at most 32 instruments').describe('What is traded, one entry for each pair.'),
  trading: trading.prefault({}).describe('How decisions become orders.'),
  policy: z.discriminatedUnion('kind', [muzero, hold, smaCross, random]).describe('Who decides.'),
  safety: safety.prefault({}).describe('The limits. What breaks one is denied or halts.'),
  health: z
    .strictObject({
      decisionsWindow: integer(10, 1_000_000).default(1_440).describe('Decisions that are looked back on.'),
      holdShareMax: decimal({ max: '1' }).default('0.999').describe('A larger share of HOLD among them raises an alert.'),
      actionEntropyBitsMin: decimal({ max: '2' }).default('0.01').describe('A lower entropy of the actions among them, in bits, raises an alert.'),
    })
    .prefault({})
    .describe('When a policy counts as collapsed.'),
  reconciliation: z
    .strictObject({
      intervalMs: integer(1_000, 3_600_000).default(60_000).describe('Time between two comparisons of positions and sums with the broker.'),
      fullIntervalMs: integer(1_000, 86_400_000).default(300_000).describe('Time between two comparisons of the whole account: every trade, order and stop.'),
      attemptsMax: integer(1, 20).default(3).describe('Comparisons in a row that may differ before a position is only reduced or, without one, trading halts.'),
      unresolvedMsMax: integer(1_000, 600_000).default(30_000).describe('The same in time: a difference may last this long.'),
      failingMsMax: integer(10_000, 3_600_000).default(300_000).describe('When no comparison has come about for this long, an open position is only reduced.'),
      gapMsMax: integer(2_000, 600_000).default(30_000).describe('Transactions that the broker spoke of may be missing this long; then trading halts.'),
      onLostStop: z.enum(['recreate', 'close']).default('recreate').describe('When a trade’s stop is gone or was moved: recreate puts it back once and closes the trade if it is lost again; close closes it at once.'),
      importedTransactionsMax: integer(0, 1_000_000).default(100_000).describe('An account with more transactions than this is taken over from its snapshot instead of from its first transaction.'),
    })
    .prefault({})
    .describe('Comparing the ledger with the broker.'),
  calendar: calendar.prefault({}).describe('When the market is open.'),
  control: control.prefault({}).describe('How an operator and a monitor reach the daemon.'),
  logging: z
    .strictObject({ level: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal']).default('info').describe('Least severe line that is written.') })
    .prefault({})
    .describe('The daemon’s own log lines.'),
});

/** The file's values after defaults, before profiles are filled in. */
export type ParsedSettings = z.infer<typeof settingsSchema>;

/** One key of the schema, flattened. List elements stand as `*`. */
export interface SchemaKey {
  readonly path: readonly string[];
  readonly description: string;
}

interface JsonSchemaNode {
  readonly description?: string;
  readonly properties?: { readonly [key: string]: JsonSchemaNode };
  readonly items?: JsonSchemaNode;
  readonly anyOf?: readonly JsonSchemaNode[];
  readonly oneOf?: readonly JsonSchemaNode[];
}

function* walk(node: JsonSchemaNode, path: readonly string[]): Generator<SchemaKey> {
  const variants = [...(node.anyOf ?? []), ...(node.oneOf ?? [])].filter((variant) => variant.properties !== undefined);
  if (node.properties === undefined && node.items === undefined && variants.length === 0) {
    yield { path, description: node.description ?? '' };
    return;
  }
  for (const [key, child] of Object.entries(node.properties ?? {})) yield* walk(child, [...path, key]);
  if (node.items !== undefined) yield* walk(node.items, [...path, '*']);
  for (const variant of variants) yield* walk(variant, path);
}

/** Every leaf that a configuration can set, in the order of the schema; a union lists the keys of all variants. */
export function schemaKeys(): readonly SchemaKey[] {
  const keys = new Map<string, SchemaKey>();
  for (const key of walk(z.toJSONSchema(settingsSchema, { io: 'input' }) as JsonSchemaNode, [])) {
    const name = key.path.join('.');
    const known = keys.get(name);
    keys.set(name, known === undefined ? key : { path: key.path, description: `${known.description} ${key.description}` });
  }
  return [...keys.values()];
}
