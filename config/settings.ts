/** From the parsed file to complete settings (every default filled in), and from those to the typed configuration. */
import { isAbsolute, join, resolve } from 'node:path';
import { OANDA_CALENDAR } from '../domain/calendar.ts';
import type { TradingCalendar } from '../domain/calendar.ts';
import { instrumentName } from '../domain/instruments.ts';
import { money, pips, ratio, toNumber, units } from '../domain/money.ts';
import type { SearchSettings } from '../domain/policy.ts';
import { instantOf } from '../domain/time.ts';
import type { Config, PolicyConfig } from './config.ts';
import { OANDA_HOSTS } from './hosts.ts';
import { INSTRUMENT_PROFILES, QUOTE_TO_USD_MAX } from './instruments.ts';
import type { ParsedSettings } from './schema.ts';

type ParsedInstrument = ParsedSettings['instruments'][number];
/** An instrument with what is known beforehand filled in; null where the file must say it and does not. */
export interface FilledInstrument extends Omit<ParsedInstrument, 'spreadPipsP999' | 'gapAllowancePips' | 'quoteToHome'> {
  readonly spreadPipsP999: string | null;
  readonly gapAllowancePips: string | null;
  readonly quoteToHome: string | null;
}

export interface FilledSettings extends Omit<ParsedSettings, 'broker' | 'instruments' | 'calendar' | 'control'> {
  readonly broker: Omit<ParsedSettings['broker'], 'restUrl' | 'streamUrl'> & { readonly restUrl: string | null; readonly streamUrl: string | null };
  readonly instruments: readonly FilledInstrument[];
  readonly calendar: { readonly alwaysOpen: boolean; readonly hours: NonNullable<ParsedSettings['calendar']['hours']> };
  readonly control: ParsedSettings['control'] & { readonly socketPath: string };
}

/** `1020` → `17:00` */
const clockText = (minute: number): string => `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`;
/** `17:00` → 1020 */
const minuteOf = (text: string): number => Number(text.slice(0, 2)) * 60 + Number(text.slice(3));

function fillInstrument(entry: ParsedInstrument, accountCurrency: string): FilledInstrument {
  const profile = INSTRUMENT_PROFILES[entry.name];
  const quote = entry.name.slice(4);
  const knownFactor = quote === accountCurrency ? '1' : accountCurrency === 'USD' ? (QUOTE_TO_USD_MAX[quote] ?? null) : null;
  return {
    ...entry,
    spreadPipsP999: entry.spreadPipsP999 ?? profile?.spreadPipsP999 ?? null,
    gapAllowancePips: entry.gapAllowancePips ?? profile?.gapAllowancePips ?? null,
    quoteToHome: entry.quoteToHome ?? knownFactor,
  };
}

/** Fills in what follows from other values: hosts, what is known of instruments, the calendar, the socket. */
export function fillSettings(parsed: ParsedSettings): FilledSettings {
  const { environment, restUrl, streamUrl } = parsed.broker;
  const hosts = environment === 'local' ? null : OANDA_HOSTS[environment];
  const hours = OANDA_CALENDAR.hours.map((row) => ({
    from: new Date(row.from).toISOString().slice(0, 10),
    open: clockText(row.openMinute),
    close: clockText(row.closeMinute),
  }));
  return {
    ...parsed,
    broker: { ...parsed.broker, restUrl: restUrl ?? hosts?.restUrl ?? null, streamUrl: streamUrl ?? hosts?.streamUrl ?? null },
    instruments: parsed.instruments.map((entry) => fillInstrument(entry, parsed.broker.accountCurrency)),
    calendar: { alwaysOpen: parsed.calendar.alwaysOpen, hours: parsed.calendar.hours ?? hours },
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

function safetyConfig(safety: FilledSettings['safety']): Config['safety'] {
  return {
    ...safety,
    maxOrderUnits: units(safety.maxOrderUnits),
    maxPositionUnits: units(safety.maxPositionUnits),
    spreadPipsMax: pips(safety.spreadPipsMax),
    dailyLossMoney: money(safety.dailyLossMoney),
    dailyLossPips: pips(safety.dailyLossPips),
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
  return {
    alwaysOpen: calendar.alwaysOpen,
    hours: calendar.hours.map((row) => ({ from: instantOf(Date.parse(row.from)), openMinute: minuteOf(row.open), closeMinute: minuteOf(row.close) })),
  };
}

/** A value that the checks have already proved to be there. */
function proved(value: string | null, field: string): string {
  if (value === null) throw new Error(`${field} passed the checks without a value`);
  return value;
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
