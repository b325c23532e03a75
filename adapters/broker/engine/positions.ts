/** Closing positions side by side. */
import { isBody } from './bodies.ts';
import { marketOf, netUnits } from './book.ts';
import type { Context } from './context.ts';
import type { Decimal } from './decimals.ts';
import { checkLock, closingRequest, createMarketOrder } from './orders.ts';
import type { Outcome, Receipt } from './outcomes.ts';
import { guarded } from './outcomes.ts';
import type { Fields } from './requests.ts';
import { NOT_AN_OBJECT, RejectedRequest, invalidValue, readCloseUnits, readExtensions } from './requests.ts';

type PositionSide = 'long' | 'short';
const SIDES = ['long', 'short'] as const satisfies readonly PositionSide[];
const UNITS_TEXT_LENGTH_MAX = 64;

export type PositionOutcome =
  | { readonly kind: 'invalid'; readonly message: string }
  | { readonly kind: 'sides'; readonly sides: readonly { readonly side: PositionSide; readonly outcome: Outcome }[] };

const wishOf = (body: Fields, side: PositionSide): unknown => body[`${side}Units`];

/** Which sides the request asks to close, and how much of each. */
function wishes({ settings }: Context, body: Fields, heldSide: PositionSide | null): readonly { readonly side: PositionSide; readonly wanted: unknown }[] {
  const nothingNamed = SIDES.every((side) => wishOf(body, side) === undefined);
  const asked = SIDES.map((side) => ({ side, wanted: wishOf(body, side) ?? (nothingNamed && side === (heldSide ?? 'long') ? 'ALL' : 'NONE') })).filter(({ wanted }) => wanted !== 'NONE');
  const bothAll = asked.length === SIDES.length && asked.every(({ wanted }) => wanted === 'ALL');
  if (bothAll && heldSide !== null && settings.switches.bothSidesAll === 'held side') return asked.filter(({ side }) => side === heldSide);
  return asked;
}

function closeSide(context: Context, instrument: string, body: Fields, wish: { readonly side: PositionSide; readonly wanted: unknown }, held: Decimal, isHeld: boolean, receipt: Receipt): Outcome {
  const { side, wanted } = wish;
  const unitsText = typeof wanted === 'string' ? wanted.slice(0, UNITS_TEXT_LENGTH_MAX) : '';
  const rejectFields = { instrument, timeInForce: 'FOK', positionFill: 'REDUCE_ONLY', [`${side}PositionCloseout`]: { instrument, units: unitsText }, reason: 'POSITION_CLOSEOUT' };
  return guarded(context, receipt, 'MARKET_ORDER_REJECT', rejectFields, (batch) => {
    checkLock(context);
    if (!isHeld) throw new RejectedRequest('CLOSEOUT_POSITION_DOESNT_EXIST');
    const count = readCloseUnits(wanted, held.abs(), marketOf(context.book, instrument), `${side}Units`, 'CLOSEOUT_POSITION_UNITS_EXCEED_POSITION_SIZE');
    const extensions = readExtensions(body, `${side}ClientExtensions`, 'body', 'CLIENT_ORDER');
    const echoed = context.settings.switches.closeoutExtensions === 'echoed' ? extensions : null;
    return createMarketOrder(context, batch, receipt, instrument, closingRequest(side === 'long' ? count.neg() : count, echoed), { kind: 'position', side, unitsText });
  });
}

/** Closes one side of a position; naming a side that is not held spoils the whole request. */
export function closePosition(context: Context, instrument: string, body: unknown, receipt: Receipt): PositionOutcome {
  const market = context.book.markets.get(instrument);
  if (market === undefined) return { kind: 'invalid', message: invalidValue('instrument').message };
  if (!isBody(body)) return { kind: 'invalid', message: NOT_AN_OBJECT };
  const held = netUnits(market);
  const heldSide: PositionSide | null = held.isZero() ? null : held.isNegative() ? 'short' : 'long';
  const asked = wishes(context, body, heldSide);
  if (asked.length === 0) return { kind: 'invalid', message: "The request was missing required data: 'longUnits' or 'shortUnits'" };
  const spoilt = asked.filter(({ side }) => side !== heldSide);
  const sides: { side: PositionSide; outcome: Outcome }[] = [];
  for (const wish of spoilt.length > 0 ? spoilt : asked) {
    const outcome = closeSide(context, instrument, body, wish, held, wish.side === heldSide, receipt);
    if (outcome.kind === 'invalid') return outcome;
    sides.push({ side: wish.side, outcome });
  }
  return { kind: 'sides', sides };
}
