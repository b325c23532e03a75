/** What a broker that falters does to its candles: calls the newest incomplete for too long, leaves one out, shows another one later. */
import type { Body, Json } from '../../adapters/broker/engine/bodies.ts';
import { isBody } from '../../adapters/broker/engine/bodies.ts';
import type { Faults } from './faults.ts';
import { textIn } from './oracle.ts';

const raised = (ohlc: Json): Json => (isBody(ohlc) && typeof ohlc['h'] === 'string' ? { ...ohlc, h: (Number(ohlc['h']) + 0.0001).toFixed(5) } : ohlc);

/** Every third minute is shown with a higher high than before, every fifth is missing, and the newest complete one is not called so. */
export function altered(body: Body, faults: Faults, now: number): Body {
  const candles = body['candles'];
  if (!Array.isArray(candles)) return body;
  let shown = candles as readonly Json[];
  const minuteOf = (candle: Json): number => Date.parse(textIn(candle, 'time') ?? '') / 60_000;
  if (faults.during('revisedCandles', now)) shown = shown.map((candle) => (isBody(candle) && minuteOf(candle) % 3 === 0 ? { ...candle, bid: raised(candle['bid']!), ask: raised(candle['ask']!) } : candle));
  if (faults.during('missingCandles', now)) shown = shown.filter((candle) => minuteOf(candle) % 5 !== 0);
  if (faults.during('lateCandles', now)) {
    const newest = shown.findLastIndex((candle) => isBody(candle) && candle['complete'] === true);
    shown = shown.map((candle, index) => (index === newest && isBody(candle) ? { ...candle, complete: false } : candle));
  }
  return { ...body, candles: shown };
}
