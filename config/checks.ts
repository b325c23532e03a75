/** What no single key can say: rules between keys, and what the limits allow to be lost at worst. */
import { usualInstrument } from '../domain/instruments.ts';
import { ZERO_MONEY, add, format, money, pips, pipsToPrice, priceTimesUnits, ratio, scaleBy, units, worthUp } from '../domain/money.ts';
import type { Money, Pips, Ratio, Units } from '../domain/money.ts';
import type { Config } from './config.ts';
import { OANDA_HOSTS, isLoopbackUrl } from './hosts.ts';
import type { Path } from './source.ts';
import type { FilledInstrument, FilledSettings } from './settings.ts';

const STOP_SPREADS_MIN = 3n;
/** `sun_path` of a unix socket address holds 108 bytes, the closing NUL included. */
const SOCKET_PATH_BYTES_MAX = 107;

interface Finding {
  readonly path: Path;
  readonly what: string;
  readonly remedy: string;
}

/** Home currency lost when `count` units are stopped out and the fill lands the whole gap allowance beyond the stop. */
function stoppedOutLoss(instrument: { readonly name: string; readonly stopLossPips: Pips; readonly gapAllowancePips: Pips; readonly quoteToHome: Ratio }, count: Units): Money {
  const { pipLocation } = usualInstrument(instrument.name);
  const distance = pipsToPrice(add(instrument.stopLossPips, instrument.gapAllowancePips), pipLocation);
  return scaleBy(priceTimesUnits(distance, count), instrument.quoteToHome);
}

/**
 * The most that a trading day can cost within the limits, in account currency:
 * dailyLossMoney + Σ over instruments of maxPositionUnits × (stopLossPips + gapAllowancePips) × pip × quoteToHome.
 * The day's limit halts only once it is reached, so each position that was open just before may still run to its stop
 * and the gap behind it. A gap beyond the allowance is the risk that no limit covers.
 */
export function worstLoss(config: Config): Money {
  return config.instruments.reduce(
    (sum, instrument) => add(sum, stoppedOutLoss(instrument, config.safety.maxPositionUnits)),
    add(config.safety.dailyLossMoney, ZERO_MONEY),
  );
}

function* brokerFindings({ broker, calendar, control }: FilledSettings, socketPathAbsolute: string): Generator<Finding> {
  if (broker.environment === 'live') {
    yield { path: ['broker', 'environment'], what: 'live is refused: the conditions for arming a live account do not exist yet in this release', remedy: 'use practice or local' };
  }
  for (const key of ['restUrl', 'streamUrl'] as const) {
    const url = broker[key];
    if (broker.environment === 'local') {
      if (url === null) yield { path: ['broker', key], what: 'is required for the local broker', remedy: 'add it, such as http://127.0.0.1:8700' };
      else if (!isLoopbackUrl(url)) yield { path: ['broker', key], what: 'is not a plain http address of this machine', remedy: 'use http://127.0.0.1 and a port' };
    } else {
      const official = OANDA_HOSTS[broker.environment][key];
      if (url !== official) yield { path: ['broker', key], what: `is not the ${broker.environment} host`, remedy: `leave it out or write ${official}` };
    }
  }
  if (broker.clock === 'lockstep' && broker.environment !== 'local') {
    yield { path: ['broker', 'clock'], what: 'lockstep needs the local broker', remedy: 'use clock: system or environment: local' };
  }
  if (calendar.alwaysOpen && broker.environment !== 'local') {
    yield { path: ['calendar', 'alwaysOpen'], what: 'only the local broker trades around the clock', remedy: 'use alwaysOpen: false or environment: local' };
  }
  if (Buffer.byteLength(socketPathAbsolute) > SOCKET_PATH_BYTES_MAX) {
    yield { path: ['control', 'socketPath'], what: `is longer than ${SOCKET_PATH_BYTES_MAX} bytes once absolute (${control.socketPath})`, remedy: 'choose a shorter path or data directory' };
  }
}

/** The limits of the account as a whole that one order is held against by itself. */
const ORDER_LIMITS = ['orderNotionalMax', 'grossExposureMax', 'currencyExposureMax'] as const;

/** An order that is above a limit by itself could never be sent. */
function* notionalFindings({ orderUnits, baseToHome }: FilledInstrument, path: Path, safety: FilledSettings['safety']): Generator<Finding> {
  if (baseToHome === null) return;
  const worth = worthUp(units(orderUnits), ratio(baseToHome));
  for (const limit of ORDER_LIMITS) {
    const most = safety[limit];
    if (most === null || worth <= money(most)) continue;
    yield { path, what: `${orderUnits} units are worth up to ${format(worth)} at baseToHome ${baseToHome}, above safety.${limit} (${most})`, remedy: 'trade fewer units, raise the limit, or state a lower baseToHome' };
  }
}

function* accountFindings({ instruments, safety, broker }: FilledSettings): Generator<Finding> {
  const unknown = instruments.filter(({ baseToHome }) => baseToHome === null).map(({ name }) => name.slice(0, 3));
  for (const limit of ORDER_LIMITS) {
    if (safety[limit] === null) yield { path: ['safety', limit], what: `is required: nobody knows beforehand what ${[...new Set(unknown)].join(', ')} is worth in ${broker.accountCurrency}`, remedy: 'add it, or baseToHome for each instrument' };
  }
  const worth = instruments.reduce((sum, { orderUnits, baseToHome }) => add(sum, baseToHome === null ? ZERO_MONEY : worthUp(units(orderUnits), ratio(baseToHome))), ZERO_MONEY);
  if (instruments.length > 1 && safety.grossExposureMax !== null && worth > money(safety.grossExposureMax)) {
    yield {
      path: ['safety', 'grossExposureMax'],
      what: `${safety.grossExposureMax} does not hold one order of every instrument (up to ${format(worth)}), so that which of them may trade would depend on whose bar comes first`,
      remedy: 'raise it, trade fewer units, or limit how many are open at once with openTradesMax',
    };
  }
}

function* instrumentFindings(entry: FilledInstrument, index: number, { safety, broker }: FilledSettings): Generator<Finding> {
  const at = (key: string): Path => ['instruments', index, key];
  if (units(entry.orderUnits) > units(safety.maxOrderUnits)) {
    yield { path: at('orderUnits'), what: `${entry.orderUnits} is above safety.maxOrderUnits (${safety.maxOrderUnits})`, remedy: 'lower it or raise the limit' };
  }
  const { spreadPipsP999, gapAllowancePips, quoteToHome, baseToHome } = entry;
  if (spreadPipsP999 === null) yield { path: at('spreadPipsP999'), what: `is required: nobody has measured the spread of ${entry.name} beforehand`, remedy: 'measure its 99.9th percentile, rollover included, and add it' };
  if (gapAllowancePips === null) yield { path: at('gapAllowancePips'), what: `is required: ${entry.name} has no allowance beforehand`, remedy: 'add how many pips beyond the stop a fill may land' };
  if (quoteToHome === null) yield { path: at('quoteToHome'), what: `is required: ${entry.name} is not quoted in ${broker.accountCurrency}`, remedy: `add ${broker.accountCurrency} for one ${entry.name.slice(4)}, rounded up` };
  if (entry.name.endsWith(`_${broker.accountCurrency}`) && quoteToHome !== '1') yield { path: at('quoteToHome'), what: `must be 1: ${entry.name} is quoted in the account's currency`, remedy: 'leave it out' };
  if (entry.name.startsWith(`${broker.accountCurrency}_`) && baseToHome !== '1') yield { path: at('baseToHome'), what: `must be 1: a unit of ${entry.name} is one of the account's currency`, remedy: 'leave it out' };
  yield* notionalFindings(entry, at('orderUnits'), safety);

  const stop = pips(entry.stopLossPips);
  if (spreadPipsP999 !== null && stop < pips(spreadPipsP999) * STOP_SPREADS_MIN) {
    const least = format((pips(spreadPipsP999) * STOP_SPREADS_MIN) as Pips);
    yield { path: at('stopLossPips'), what: `${entry.stopLossPips} is nearer than 3 times the spread's 99.9th percentile (${spreadPipsP999})`, remedy: `use at least ${least}` };
  }
  if (gapAllowancePips === null || quoteToHome === null) return;
  const loss = stoppedOutLoss({ name: entry.name, stopLossPips: stop, gapAllowancePips: pips(gapAllowancePips), quoteToHome: ratio(quoteToHome) }, units(entry.orderUnits));
  if (loss > money(safety.tradeLossMoney)) {
    yield {
      path: at('orderUnits'),
      what: `${entry.orderUnits} units stopped out at ${entry.stopLossPips} pips with a gap of ${gapAllowancePips} lose ${format(loss)} ${broker.accountCurrency}, above safety.tradeLossMoney (${safety.tradeLossMoney})`,
      remedy: 'trade fewer units, set a nearer stop, or raise the limit',
    };
  }
}

/** Every rule between keys that the settings break. */
export function findings(settings: FilledSettings, socketPathAbsolute: string): readonly Finding[] {
  const found: Finding[] = [...brokerFindings(settings, socketPathAbsolute)];
  const names = new Set<string>();
  for (const [index, entry] of settings.instruments.entries()) {
    if (names.has(entry.name)) found.push({ path: ['instruments', index, 'name'], what: `${entry.name} is listed twice`, remedy: 'keep one entry for each pair' });
    names.add(entry.name);
    found.push(...instrumentFindings(entry, index, settings));
  }
  found.push(...accountFindings(settings));
  const { safety, policy, calendar } = settings;
  if (units(safety.maxOrderUnits) > units(safety.maxPositionUnits)) {
    found.push({ path: ['safety', 'maxOrderUnits'], what: `${safety.maxOrderUnits} is above safety.maxPositionUnits (${safety.maxPositionUnits})`, remedy: 'lower it or raise the position limit' });
  }
  if (money(safety.tradeLossMoney) > money(safety.dailyLossMoney)) {
    found.push({ path: ['safety', 'tradeLossMoney'], what: `${safety.tradeLossMoney} is above safety.dailyLossMoney (${safety.dailyLossMoney})`, remedy: 'lower it or raise the day’s limit' });
  }
  for (const limit of ['weeklyLossMoney', 'drawdownMoney'] as const) {
    if (money(safety[limit]) < money(safety.dailyLossMoney)) found.push({ path: ['safety', limit], what: `${safety[limit]} is below safety.dailyLossMoney (${safety.dailyLossMoney})`, remedy: 'raise it or lower the day’s limit' });
  }
  if (safety.clockSkewMsWarn > safety.clockSkewMsMax) {
    found.push({ path: ['safety', 'clockSkewMsWarn'], what: `${safety.clockSkewMsWarn} is above safety.clockSkewMsMax (${safety.clockSkewMsMax})`, remedy: 'lower it or raise the limit' });
  }
  if (policy.kind === 'sma-cross' && policy.fastBars >= policy.slowBars) {
    found.push({ path: ['policy', 'fastBars'], what: `${policy.fastBars} is not below slowBars (${policy.slowBars})`, remedy: 'use a shorter fast average' });
  }
  if (policy.kind === 'muzero' && policy.algorithm === 'gumbel' && policy.temperature !== '0') {
    found.push({ path: ['policy', 'temperature'], what: `${policy.temperature} is for puct: gumbel explores by gumbel.scale`, remedy: 'use temperature: 0 or algorithm: puct' });
  }
  if (new Set(calendar.hours.map((row) => row.from)).size !== calendar.hours.length) {
    found.push({ path: ['calendar', 'hours'], what: 'has two rows for one date', remedy: 'keep one row for each date' });
  }
  for (const [index, row] of calendar.extraBreaks.entries()) {
    if (row.start > row.end) found.push({ path: ['calendar', 'extraBreaks', index, 'end'], what: `${row.end} is before its start (${row.start})`, remedy: 'a break begins and ends on one New York day' });
  }
  if (new Set(calendar.extraBreaks.map((row) => `${row.currency} ${row.from}`)).size !== calendar.extraBreaks.length) {
    found.push({ path: ['calendar', 'extraBreaks'], what: 'has two rows for one currency and date', remedy: 'keep one row for each' });
  }
  return found;
}
