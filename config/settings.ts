/** From the parsed file to complete settings (every default filled in), and from those to the typed configuration. */
import { isAbsolute, join, resolve } from 'node:path';
import { OANDA_CALENDAR } from '../domain/calendar.ts';
import type { TradingCalendar, YearlyTime } from '../domain/calendar.ts';
import { instrumentName } from '../domain/instruments.ts';
import type { Money } from '../domain/money.ts';
import { add, format, maximum, money, pips, ratio, scaleBy, toNumber, units, worthUp, ZERO_MONEY } from '../domain/money.ts';
import type { SearchSettings } from '../domain/policy.ts';
import { instantOf } from '../domain/time.ts';
import type { Instant } from '../domain/time.ts';
import type { Config, PolicyConfig } from './config.ts';
import { OANDA_HOSTS } from './hosts.ts';
import { INSTRUMENT_PROFILES, TO_USD_MAX } from './instruments.ts';
import type { ParsedSettings } from './schema.ts';

type ParsedInstrument = ParsedSettings['instruments'][number];
/** An instrument with what is known beforehand filled in; null where the file must say it and does not. */
export interface FilledInstrument extends Omit<ParsedInstrument, 'spreadPipsP999' | 'gapAllowancePips' | 'quoteToHome' | 'baseToHome'> {
  readonly spreadPipsP999: string | null;
  readonly gapAllowancePips: string | null;
  readonly quoteToHome: string | null;
  readonly baseToHome: string | null;
}

type ParsedCalendar = ParsedSettings['calendar'];
type FilledCalendar = { readonly [Key in keyof ParsedCalendar]-?: NonNullable<ParsedCalendar[Key]> };

type ParsedSafety = ParsedSettings['safety'];
/** The limits that hold for the account as a whole, where the file leaves them out and nothing is known to reckon them from: null. */
export interface FilledSafety extends Omit<ParsedSafety, 'orderNotionalMax' | 'grossExposureMax' | 'currencyExposureMax' | 'openTradesMax' | 'weeklyLossMoney' | 'drawdownMoney'> {
  readonly orderNotionalMax: string | null;
  readonly grossExposureMax: string | null;
  readonly currencyExposureMax: string | null;
  readonly openTradesMax: number;
  readonly weeklyLossMoney: string;
  readonly drawdownMoney: string;
}

export interface FilledSettings extends Omit<ParsedSettings, 'broker' | 'instruments' | 'safety' | 'calendar' | 'control'> {
  readonly broker: Omit<ParsedSettings['broker'], 'restUrl' | 'streamUrl'> & { readonly restUrl: string | null; readonly streamUrl: string | null };
  readonly instruments: readonly FilledInstrument[];
  readonly safety: FilledSafety;
  readonly calendar: FilledCalendar;
  readonly control: ParsedSettings['control'] & { readonly socketPath: string };
}

/** `1020` → `17:00` */
const clockText = (minute: number): string => `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`;
/** `17:00` → 1020 */
const minuteOf = (text: string): number => Number(text.slice(0, 2)) * 60 + Number(text.slice(3));

function fillInstrument(entry: ParsedInstrument, accountCurrency: string): FilledInstrument {
  const profile = INSTRUMENT_PROFILES[entry.name];
  const knownFactor = (currency: string): string | null => (currency === accountCurrency ? '1' : accountCurrency === 'USD' ? (TO_USD_MAX[currency] ?? null) : null);
  return {
    ...entry,
    spreadPipsP999: entry.spreadPipsP999 ?? profile?.spreadPipsP999 ?? null,
    gapAllowancePips: entry.gapAllowancePips ?? profile?.gapAllowancePips ?? null,
    quoteToHome: entry.quoteToHome ?? knownFactor(entry.name.slice(4)),
    baseToHome: entry.baseToHome ?? knownFactor(entry.name.slice(0, 3)),
  };
}

/** Losses of whole days that a week, and a drawdown, may come to. */
const WEEKLY_LOSS_DAYS = ratio('3');
const DRAWDOWN_DAYS = ratio('5');

/** Limits of the account as a whole follow from what the single instruments may hold, at the dearest prices known. */
function fillSafety(safety: ParsedSafety, instruments: readonly FilledInstrument[]): FilledSafety {
  const worths = (count: string): readonly Money[] | null => {
    const found = instruments.flatMap(({ baseToHome }) => (baseToHome === null ? [] : [worthUp(units(count), ratio(baseToHome))]));
    return found.length === instruments.length ? found : null;
  };
  const known = (amount: Money | null): string | null => (amount === null ? null : format(amount));
  const largest = (amounts: readonly Money[] | null): Money | null => amounts?.reduce(maximum<Money>, ZERO_MONEY) ?? null;
  const positions = worths(safety.maxPositionUnits);
  const largestPosition = largest(positions);
  return {
    ...safety,
    orderNotionalMax: safety.orderNotionalMax ?? known(largest(worths(safety.maxOrderUnits))),
    grossExposureMax: safety.grossExposureMax ?? known(positions?.reduce(add<Money>, ZERO_MONEY) ?? null),
    currencyExposureMax: safety.currencyExposureMax ?? known(largestPosition === null ? null : add(largestPosition, largestPosition)),
    openTradesMax: safety.openTradesMax ?? instruments.length,
    weeklyLossMoney: safety.weeklyLossMoney ?? format(scaleBy(money(safety.dailyLossMoney), WEEKLY_LOSS_DAYS)),
    drawdownMoney: safety.drawdownMoney ?? format(scaleBy(money(safety.dailyLossMoney), DRAWDOWN_DAYS)),
  };
}

/** 31 December 17:00 → `12-31 17:00` */
const yearlyText = ({ month, day, minute }: YearlyTime): string => `${String(month).padStart(2, '0')}-${String(day).padStart(2, '0')} ${clockText(minute)}`;
/** `12-31 17:00` → 31 December 17:00 */
const yearlyTimeOf = (text: string): YearlyTime => ({ month: Number(text.slice(0, 2)), day: Number(text.slice(3, 5)), minute: minuteOf(text.slice(6)) });
const dateText = (at: Instant): string => new Date(at).toISOString().slice(0, 10);

/** OANDA's own rows wherever the file has none. */
function fillCalendar(calendar: ParsedCalendar): FilledCalendar {
  const { hours, extraBreaks, holidays } = OANDA_CALENDAR;
  return {
    alwaysOpen: calendar.alwaysOpen,
    hours: calendar.hours ?? hours.map((row) => ({ from: dateText(row.from), open: clockText(row.openMinute), close: clockText(row.closeMinute) })),
    extraBreaks: calendar.extraBreaks ?? extraBreaks.map((row) => ({ from: dateText(row.from), currency: row.currency, start: clockText(row.startMinute), end: clockText(row.endMinute) })),
    holidays: calendar.holidays ?? holidays.map((row) => ({ start: yearlyText(row.start), end: yearlyText(row.end) })),
  };
}

/** Fills in what follows from other values: hosts, what is known of instruments, the calendar, the socket. */
export function fillSettings(parsed: ParsedSettings): FilledSettings {
  const { environment, restUrl, streamUrl } = parsed.broker;
  const hosts = environment === 'local' ? null : OANDA_HOSTS[environment];
  const instruments = parsed.instruments.map((entry) => fillInstrument(entry, parsed.broker.accountCurrency));
  return {
    ...parsed,
    broker: { ...parsed.broker, restUrl: restUrl ?? hosts?.restUrl ?? null, streamUrl: streamUrl ?? hosts?.streamUrl ?? null },
    instruments,
    safety: fillSafety(parsed.safety, instruments),
    calendar: fillCalendar(parsed.calendar),
    control: { ...parsed.control, socketPath: parsed.control.socketPath ?? join(parsed.deployment.dataDirectory, 'control.sock') },
  };
}

function selectionConfig({ algorithm, pbCInit, pbCBase, gumbel }: Extract<FilledSettings['policy'], { readonly kind: 'muzero' }>): SearchSettings['selection'] {
  const number = (text: string): number => toNumber(ratio(text));
  if (algorithm === 'puct') return { algorithm, pbCInit: number(pbCInit), pbCBase: number(pbCBase) };
  const { consideredActionsMax, maxVisitInit, valueScale, scale } = gumbel;
  return { algorithm, consideredActionsMax, maxVisitInit: number(maxVisitInit), valueScale: number(valueScale), scale: number(scale) };
}

function policyConfig(policy: FilledSettings['policy'], absolute: (path: string) => string): PolicyConfig {
  switch (policy.kind) {
    case 'muzero':
      return {
        kind: 'muzero',
        modelDirectory: absolute(policy.modelDirectory),
        featureSetId: policy.featureSetId,
        simulations: policy.simulations,
        discount: toNumber(ratio(policy.discount)),
        minConfidence: toNumber(ratio(policy.minConfidence)),
        temperature: toNumber(ratio(policy.temperature)),
        seed: policy.seed,
        selection: selectionConfig(policy),
      };
    case 'random':
      return { kind: 'random', seed: policy.seed, holdShare: toNumber(ratio(policy.holdShare)) };
    case 'hold':
    case 'sma-cross':
      return policy;
  }
}

/** A value that the checks have already proved to be there. */
function proved(value: string | null, field: string): string {
  if (value === null) throw new Error(`${field} passed the checks without a value`);
  return value;
}

function safetyConfig(safety: FilledSettings['safety']): Config['safety'] {
  return {
    ...safety,
    maxOrderUnits: units(safety.maxOrderUnits),
    maxPositionUnits: units(safety.maxPositionUnits),
    orderNotionalMax: money(proved(safety.orderNotionalMax, 'orderNotionalMax')),
    grossExposureMax: money(proved(safety.grossExposureMax, 'grossExposureMax')),
    currencyExposureMax: money(proved(safety.currencyExposureMax, 'currencyExposureMax')),
    marginShareMax: ratio(safety.marginShareMax),
    spreadPipsMax: pips(safety.spreadPipsMax),
    outlierRangesMax: ratio(safety.outlierRangesMax),
    dailyLossMoney: money(safety.dailyLossMoney),
    dailyLossPips: pips(safety.dailyLossPips),
    weeklyLossMoney: money(safety.weeklyLossMoney),
    drawdownMoney: money(safety.drawdownMoney),
    tradeLossMoney: money(safety.tradeLossMoney),
    slippageShareMax: ratio(safety.slippageShareMax),
  };
}

function tradingConfig({ fridayFlatten, ...trading }: FilledSettings['trading']): Config['trading'] {
  return {
    ...trading,
    priceBoundPips: pips(trading.priceBoundPips),
    fridayFlatten: { enabled: fridayFlatten.enabled, minute: minuteOf(fridayFlatten.minuteNewYork) },
  };
}

function calendarConfig(calendar: FilledSettings['calendar']): TradingCalendar {
  const from = (row: { readonly from: string }): Instant => instantOf(Date.parse(row.from));
  return {
    alwaysOpen: calendar.alwaysOpen,
    instrument: null,
    hours: calendar.hours.map((row) => ({ from: from(row), openMinute: minuteOf(row.open), closeMinute: minuteOf(row.close) })),
    extraBreaks: calendar.extraBreaks.map((row) => ({ from: from(row), currency: row.currency, startMinute: minuteOf(row.start), endMinute: minuteOf(row.end) })),
    holidays: calendar.holidays.map((row) => ({ start: yearlyTimeOf(row.start), end: yearlyTimeOf(row.end) })),
  };
}

/** The typed form of settings that passed every check. Relative paths are taken from `baseDirectory`. */
export function typedConfig(settings: FilledSettings, baseDirectory: string): Config {
  const absolute = (path: string): string => (isAbsolute(path) ? path : resolve(baseDirectory, path));
  return {
    deployment: { ...settings.deployment, dataDirectory: absolute(settings.deployment.dataDirectory) },
    broker: {
      ...settings.broker,
      restUrl: new URL(proved(settings.broker.restUrl, 'broker.restUrl')).origin,
      streamUrl: new URL(proved(settings.broker.streamUrl, 'broker.streamUrl')).origin,
      tokenFile: absolute(settings.broker.tokenFile),
    },
    instruments: settings.instruments.map((entry) => ({
      name: instrumentName(entry.name),
      orderUnits: units(entry.orderUnits),
      stopLossPips: pips(entry.stopLossPips),
      spreadPipsP999: pips(proved(entry.spreadPipsP999, 'spreadPipsP999')),
      gapAllowancePips: pips(proved(entry.gapAllowancePips, 'gapAllowancePips')),
      quoteToHome: ratio(proved(entry.quoteToHome, 'quoteToHome')),
      baseToHome: entry.baseToHome === null ? null : ratio(entry.baseToHome),
    })),
    trading: tradingConfig(settings.trading),
    policy: policyConfig(settings.policy, absolute),
    safety: safetyConfig(settings.safety),
    health: {
      decisionsWindow: settings.health.decisionsWindow,
      holdShareMax: toNumber(ratio(settings.health.holdShareMax)),
      actionEntropyBitsMin: toNumber(ratio(settings.health.actionEntropyBitsMin)),
    },
    reconciliation: settings.reconciliation,
    calendar: calendarConfig(settings.calendar),
    control: { ...settings.control, socketPath: absolute(settings.control.socketPath) },
    logging: settings.logging,
  };
}
