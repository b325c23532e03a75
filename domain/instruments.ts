import type { DataOf } from './events.ts';
import type { Ratio, Units } from './money.ts';
import { format, ratio, units } from './money.ts';

declare const instrumentBrand: unique symbol;
/** The broker's name of an instrument: EUR_USD, and on a human's account also DE30_EUR or XAU_USD. */
export type InstrumentName = string & { readonly [instrumentBrand]: true };

/** What the broker says of an instrument; read per account, since divisions differ. */
export interface Instrument {
  readonly name: InstrumentName;
  /** Currency bought by a long position. */
  readonly base: string;
  /** Currency that prices are in. */
  readonly quote: string;
  /** A pip is 10^pipLocation: -4 for EUR_USD, -2 for yen pairs. */
  readonly pipLocation: number;
  /** Decimals of a price. */
  readonly displayPrecision: number;
  /** Decimals of units; 0 means whole units. */
  readonly tradeUnitsPrecision: number;
  readonly minimumTradeSize: Units;
  /** Share of a position's worth that is held as margin. */
  readonly marginRate: Ratio;
}

export class InstrumentError extends Error {
  override readonly name = 'InstrumentError';
}

/** Checks that a text is an instrument's name. Configuration narrows what is traded to pairs of currencies. */
export function instrumentName(text: string): InstrumentName {
  if (!/^[A-Z0-9]{2,20}_[A-Z0-9]{2,20}$/.test(text)) throw new InstrumentError(`"${text.slice(0, 40)}" is no instrument name such as EUR_USD`);
  return text as InstrumentName;
}

/** The usual shape of a pair: five decimals and a pip of 0.0001; yen pairs three and 0.01; 2 % margin. */
export function usualInstrument(text: string): Instrument {
  const name = instrumentName(text);
  const [base = '', quote = ''] = name.split('_');
  const yen = quote === 'JPY';
  return {
    name,
    base,
    quote,
    pipLocation: yen ? -2 : -4,
    displayPrecision: yen ? 3 : 5,
    tradeUnitsPrecision: 0,
    minimumTradeSize: units('1'),
    marginRate: ratio('0.02'),
  };
}

type InstrumentData = NonNullable<DataOf<'DaemonStarted'>['instruments']>[number];

/** What the broker said of an instrument, as a start records it. */
export function instrumentData({ name, pipLocation, displayPrecision, tradeUnitsPrecision, minimumTradeSize, marginRate }: Instrument): InstrumentData {
  return { name, pipLocation, displayPrecision, tradeUnitsPrecision, minimumTradeSize: format(minimumTradeSize), marginRate: format(marginRate) };
}

export const instrumentOf = (data: InstrumentData): Instrument =>
  ({ ...usualInstrument(data.name), ...data, name: instrumentName(data.name), minimumTradeSize: units(data.minimumTradeSize), marginRate: ratio(data.marginRate) });
