/** Price snapshots: what GET pricing answers. */
import type { Body } from './engine/bodies.ts';
import type { Market } from './engine/book.ts';
import { marketOf, netUnits } from './engine/book.ts';
import { Decimal, ONE, ZERO, printDecimal, roundFactor } from './engine/decimals.ts';
import type { Engine } from './engine/engine.ts';
import { accountValue, marginOf, midDecimal } from './engine/valuation.ts';
import { priceBody } from './engine/views.ts';
import type { Venue } from './venue.ts';
import { formatInstant } from '../../domain/time.ts';
import type { Instant } from '../../domain/time.ts';

interface PricingQuery {
  /** Names that the account has. */
  readonly instruments: readonly string[];
  /** Leaves out what has not changed after it. */
  readonly since: Instant | null;
  readonly includeHomeConversions: boolean;
  readonly includeUnitsAvailable: boolean;
}

/** Home units for one unit of a currency at mid, and since when; the engine knows them only for currencies that prices are in. */
function homeValue({ book, settings }: Engine, currency: string): { readonly value: Decimal; readonly at: Instant | null } | null {
  if (currency === settings.currency) return { value: ONE, at: null };
  const [direct, inverse] = [book.markets.get(`${currency}_${settings.currency}`), book.markets.get(`${settings.currency}_${currency}`)];
  const market = direct ?? inverse;
  const mid = market === undefined ? null : midDecimal(market);
  if (mid !== null) return { value: market === direct ? mid : ONE.div(mid), at: market?.quote?.at ?? null };
  const fixed = settings.fixedConversions[currency];
  return fixed === undefined ? null : { value: new Decimal(fixed), at: null };
}

/** The factors of each base and quote currency of the instruments; one that nothing converts has none. */
function conversionBodies(engine: Engine, { instruments, since }: PricingQuery): Body[] {
  const { book, settings } = engine;
  const currencies = new Set(instruments.flatMap((name) => {
    const { base, quote } = marketOf(book, name).settings.instrument;
    return [base, quote];
  }));
  return [...currencies].flatMap((currency) => {
    const home = homeValue(engine, currency);
    if (home === null || (since !== null && (home.at === null || home.at <= since))) return [];
    const isHome = currency === settings.currency;
    const factor = (share: string): string => printDecimal(roundFactor(isHome ? ONE : home.value.mul(share)));
    return [{ currency, accountGain: factor(settings.gainFactor), accountLoss: factor(settings.lossFactor), positionValue: factor('1') }];
  });
}

/** Units on which margins are worked out, so that rounding an amount of money does not show. */
const MANY_UNITS = new Decimal(1_000_000);

/** How many units an order could buy or sell, by its positionFill, on the margin that is left; null without a conversion. */
function unitsAvailableBody(engine: Engine, market: Market): Body | null {
  const { book, settings } = engine;
  const { quote, tradeUnitsPrecision } = market.settings.instrument;
  if (homeValue(engine, quote) === null || market.quote === null) return null;
  const held = netUnits(market);
  const { marginAvailable } = accountValue(book, settings);
  const marginAUnit = marginOf(book, settings, market, MANY_UNITS).div(MANY_UNITS);
  const opened = (margin: Decimal): Decimal => margin.div(marginAUnit).toDecimalPlaces(tradeUnitsPrecision, Decimal.ROUND_DOWN);
  const side = (isAgainst: boolean): { readonly opens: Decimal; readonly reduces: Decimal; readonly both: Decimal } => {
    if (!isAgainst) return { opens: opened(marginAvailable), reduces: ZERO, both: opened(marginAvailable) };
    const reduces = held.abs();
    return { opens: ZERO, reduces, both: reduces.plus(opened(marginAvailable.plus(marginOf(book, settings, market, held)))) };
  };
  const [long, short] = [side(held.isNegative() && !held.isZero()), side(held.greaterThan(0))];
  const body = (key: keyof typeof long): Body => ({ long: printDecimal(long[key]), short: printDecimal(short[key]) });
  return { default: body('both'), openOnly: body('opens'), reduceFirst: body('both'), reduceOnly: body('reduces') };
}

/** Answers a pricing query. */
export function pricingBody(venue: Venue, query: PricingQuery): Body {
  const { engine, now } = venue;
  const prices = query.instruments.flatMap((name): Body[] => {
    const market = marketOf(engine.book, name);
    const body = priceBody(engine, market, now);
    if (body === null || (query.since !== null && market.quote !== null && market.quote.at <= query.since)) return [];
    const unitsAvailable = query.includeUnitsAvailable ? unitsAvailableBody(engine, market) : null;
    return [unitsAvailable === null ? body : { ...body, unitsAvailable }];
  });
  return { time: formatInstant(now), prices, ...(query.includeHomeConversions ? { homeConversions: conversionBodies(engine, query) } : {}) };
}
