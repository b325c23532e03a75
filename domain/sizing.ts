/** How large an opening order is. One function, so that another rule takes its place without touching the desk. */
import type { Units } from './money.ts';
import type { InstrumentSettings } from './settings.ts';

/** Units of an opening order, unsigned; the guards judge whatever it says. */
export type Sizing = (instrument: InstrumentSettings) => Units;

/** The configured size, always. */
export const fixedSize: Sizing = (instrument) => instrument.orderUnits;
