/** Faults of prices: of the snapshot that REST answers and of the lines of the pricing stream, which have one form. */
import type { FaultOf } from './kinds.ts';
import type { Body, Json } from '../engine/bodies.ts';
import { isBody } from '../engine/bodies.ts';
import { formatInstant, instantOf } from '../../../domain/time.ts';
import type { Instant } from '../../../domain/time.ts';

const DECIMAL = /^(-?)(\d+)(?:\.(\d+))?$/;
/** A pip has ten points of the last printed decimal. */
const POINTS_PER_PIP = 10n;

/** A printed price moved by whole pips, with as many decimals as before. */
export function movedPrice(text: string, pips: number): string {
  const [, sign = '', whole = '0', fraction = ''] = DECIMAL.exec(text) ?? [];
  const points = BigInt(`${sign}${whole}${fraction}`) + BigInt(pips) * POINTS_PER_PIP;
  const digits = (points < 0n ? -points : points).toString().padStart(fraction.length + 1, '0');
  const cut = digits.length - fraction.length;
  return `${points < 0n ? '-' : ''}${digits.slice(0, cut)}${fraction === '' ? '' : `.${digits.slice(cut)}`}`;
}

export const isPrintedPrice = (value: unknown): value is string => typeof value === 'string' && DECIMAL.test(value);

type Side = 'bids' | 'asks';

/** Rewrites the prices of one side, its ladder and its closeout price. */
function withSide(price: Body, side: Side, rewrite: (text: string) => string): Body {
  const closeout = side === 'bids' ? 'closeoutBid' : 'closeoutAsk';
  const ladder = price[side];
  const levels = Array.isArray(ladder) ? ladder.map((level: Json) => (isBody(level) && isPrintedPrice(level['price']) ? { ...level, price: rewrite(level['price']) } : level)) : ladder;
  const closeoutText = price[closeout];
  return { ...price, ...(levels === undefined ? {} : { [side]: levels }), ...(isPrintedPrice(closeoutText) ? { [closeout]: rewrite(closeoutText) } : {}) };
}

const bothSides = (price: Body, rewrite: (text: string) => string): Body => withSide(withSide(price, 'bids', rewrite), 'asks', rewrite);

/** A price the way the fault has it, or null when it is not about this instrument. */
export function badPrice(fault: FaultOf<'badPrice'>, price: Body, now: Instant): Body | null {
  if (fault.instrument !== undefined && fault.instrument !== price['instrument']) return null;
  switch (fault.form) {
    case 'nonTradeable':
      return { ...price, tradeable: false, status: 'non-tradeable' };
    case 'stale':
      return { ...price, time: formatInstant(instantOf(now - fault.ageMs)) };
    case 'crossed': {
      const { closeoutAsk } = price;
      const above = isPrintedPrice(closeoutAsk) ? movedPrice(closeoutAsk, fault.pips) : '0';
      return withSide(price, 'bids', () => above);
    }
    case 'zero':
      return bothSides(price, (text) => text.replaceAll(/[1-9]/g, '0'));
    case 'notANumber':
      return bothSides(price, () => 'NaN');
    case 'outlier':
      return bothSides(price, (text) => movedPrice(text, fault.pips));
    case 'wide':
      return withSide(price, 'asks', (text) => movedPrice(text, fault.pips));
  }
}
