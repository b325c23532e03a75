import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { worstLoss } from '../../config/checks.ts';
import { loadConfig } from '../../config/load.ts';
import type { LoadedConfig } from '../../config/load.ts';
import { ConfigError } from '../../config/problems.ts';
import { schemaKeys } from '../../config/schema.ts';
import { OANDA_CALENDAR } from '../../domain/calendar.ts';
import { format } from '../../domain/money.ts';
import { folderForFile } from '../folders.ts';

const directory = folderForFile();

const MINIMAL = `deployment:
  name: desk
  dataDirectory: data
broker:
  environment: practice
  accountId: 101-001-1234567-001
  tokenFile: token
instruments:
  - name: EUR_USD
    stopLossPips: 30
policy:
  kind: hold
`;

/** The same with two instruments. */
const TWO = MINIMAL.replace('policy:', '  - name: GBP_USD\n    stopLossPips: 60\n    spreadPipsP999: 7\npolicy:');

let written = 0;
const write = (text: string): string => {
  const file = join(directory, `case-${(written += 1)}.yaml`);
  writeFileSync(file, text);
  return file;
};
const load = (text: string, environment: { [name: string]: string } = {}): LoadedConfig => loadConfig({ file: write(text), environment, baseDirectory: '/srv/desk' });
const problemsOf = (text: string, environment: { [name: string]: string } = {}): string => {
  try {
    load(text, environment);
  } catch (error) {
    if (error instanceof ConfigError) return error.message.replaceAll(directory + '/', '').replaceAll(/case-\d+/g, 'case');
    throw error;
  }
  throw new Error('the configuration was accepted');
};

describe('a configuration file', () => {
  test('needs only the account, the token file, a stop and a policy; the rest has safe defaults', () => {
    const { config } = load(MINIMAL);
    expect(config.broker.restUrl).toBe('https://api-fxpractice.oanda.com');
    expect(config.broker.tokenFile).toBe('/srv/desk/token');
    expect(config.control).toEqual({ socketPath: '/srv/desk/data/control.sock', httpHost: '127.0.0.1', httpPort: 'off' });
    expect(format(config.safety.maxPositionUnits)).toBe('1');
    expect(config.safety.dispositions).toMatchObject({ lossLimit: 'flatten', foreignTrade: 'hold' });
    expect(config.trading.fridayFlatten).toEqual({ enabled: true, minute: 990 });
    expect(config.calendar).toEqual(OANDA_CALENDAR);
  });

  test('is frozen all the way down once loaded', () => {
    const { config } = load(MINIMAL);
    expect(Object.isFrozen(config.safety.restart)).toBe(true);
    expect(() => Object.assign(config.instruments[0]!, { orderUnits: 66n })).toThrow(TypeError);
  });

  test('names file, line, column, key and remedy for every fault at once', () => {
    const text = MINIMAL.replace('name: desk', 'name: Desk One').replace('stopLossPips: 30', 'stopLossPips: 3e1').replace('policy:\n  kind: hold\n', 'safety:\n  maxOrderUnit: 5\n');
    expect(problemsOf(text).split('\n')).toEqual([
      'case.yaml:2:9 deployment.name: must be 1 to 32 of a-z, 0-9 and dash; Names this deployment in streams, metrics and logs.',
      'case.yaml:10:19 instruments.0.stopLossPips: must be a plain decimal such as 12.5, with at most 10 decimals; Distance of the protective stop that every opening order carries.',
      expect.stringMatching(/^case\.yaml:1:1 policy: is required; /),
      'case.yaml:12:3 safety: maxOrderUnit is not a known key; remove it or correct its spelling',
    ]);
  });

  test.each([
    ['a missing file', null, /nowhere\.yaml: cannot be read \(ENOENT\)/],
    ['a list instead of sections', '- one\n', /is not a map of sections/],
    ['a key that stands twice', MINIMAL.replace('  name: desk', '  name: desk\n  name: other'), /yaml:3:3: Map keys must be unique/],
    ['a missing stop', MINIMAL.replace('    stopLossPips: 30\n', ''), /yaml:9:5 instruments\.0\.stopLossPips: is required; add it: Distance/],
    ['an unknown policy', MINIMAL.replace('kind: hold', 'kind: guess'), /policy\.kind: must be one of muzero, hold, sma-cross, random/],
    ['a section that is text', MINIMAL.replace('policy:\n  kind: hold', 'policy: hold'), /policy: must be a section with keys of its own/],
    ['a prototype key', MINIMAL + '__proto__:\n  safe: false\n', /__proto__ is not a known key/],
    ['a public address for metrics', MINIMAL + 'control:\n  httpHost: 0.0.0.0\n', /control\.httpHost: must be a loopback address/],
    ['a port beyond the last', MINIMAL + 'control:\n  httpPort: 70000\n', /control\.httpPort: must be at most 65535/],
    ['a boolean that is yes', MINIMAL + 'trading:\n  fridayFlatten:\n    enabled: yes\n', /trading\.fridayFlatten\.enabled: must be true or false/],
  ])('is refused with %s', (_name, text, message) => {
    if (text === null) expect(() => loadConfig({ file: join(directory, 'nowhere.yaml'), environment: {} })).toThrow(message);
    else expect(problemsOf(text)).toMatch(message);
  });

  test('never repeats a token that was written where its file belongs', () => {
    const canary = '0123456789abcdef0123456789abcdef-fedcba9876543210fedcba9876543210';
    const message = problemsOf(MINIMAL.replace('tokenFile: token', `tokenFile: ${canary}`));
    expect(message).toContain('holds a token where the path of a token file belongs');
    expect(message).not.toContain(canary.slice(0, 16));
  });
});

describe('rules between keys', () => {
  const local = MINIMAL.replace('environment: practice', 'environment: local\n  restUrl: http://127.0.0.1:8700\n  streamUrl: http://127.0.0.1:8701');
  test.each([
    ['live is not there yet', MINIMAL.replace('practice', 'live'), /broker\.environment: live is refused: the conditions for arming a live account do not exist yet/],
    ['a stop within three spreads', MINIMAL.replace('30', '15.8'), /stopLossPips: 15\.8 is nearer than 3 times .*\(5\.3\); use at least 15\.9/],
    ['an order above the order limit', MINIMAL.replace('    stop', '    orderUnits: 2\n    stop'), /orderUnits: 2 is above safety\.maxOrderUnits \(1\)/],
    ['an order limit above the position limit', MINIMAL + 'safety:\n  maxOrderUnits: 3\n', /maxOrderUnits: 3 is above safety\.maxPositionUnits \(1\)/],
    ['an order worth more than one may be', MINIMAL + 'safety:\n  orderNotionalMax: 1.6\n', /instruments\.0\.orderUnits: 1 units are worth up to 1\.61 at baseToHome 1\.61, above safety\.orderNotionalMax \(1\.6\)/],
    ['an order worth more than everything together', MINIMAL + 'safety:\n  grossExposureMax: 1.6\n', /yaml:9:5 instruments\.0\.orderUnits: .* above safety\.grossExposureMax \(1\.6\)/],
    ['an order worth more than a currency may be', MINIMAL + 'safety:\n  currencyExposureMax: 1.6\n', /orderUnits: .* above safety\.currencyExposureMax/],
    ['limits that do not hold an order of every instrument', `${TWO}safety:\n  grossExposureMax: 3.72\n`, /yaml:17:21 safety\.grossExposureMax: 3\.72 does not hold one order of every instrument \(up to 3\.73\).*; raise it/],
    ['a base currency of unknown worth', MINIMAL.replace('EUR_USD', 'ZAR_USD').replace('    stop', '    spreadPipsP999: 5\n    gapAllowancePips: 9\n    stop'), /safety\.orderNotionalMax: is required: nobody knows beforehand what ZAR is worth in USD; add it, or baseToHome/],
    ['a base conversion where none happens', MINIMAL.replace('EUR_USD', 'USD_JPY').replace('    stop', '    spreadPipsP999: 5\n    baseToHome: 1.1\n    stop'), /baseToHome: must be 1: a unit of USD_JPY is one of the account's currency/],
    ['a limit order that rests for minutes', MINIMAL + 'trading:\n  limitGoodForMs: 60001\n', /trading\.limitGoodForMs: must be at most 60000/],
    ['an entry that is neither', MINIMAL + 'trading:\n  entry: stop\n', /trading\.entry: must be one of market, limit/],
    ['a stop that costs more than a trade may', MINIMAL + 'safety:\n  tradeLossMoney: 0.0129\n', /lose 0\.013 USD, above safety\.tradeLossMoney \(0\.0129\)/],
    ['a trade that may lose more than a day', MINIMAL + 'safety:\n  tradeLossMoney: 2\n', /tradeLossMoney: 2 is above safety\.dailyLossMoney \(1\)/],
    ['a pair whose spread nobody measured', MINIMAL.replace('EUR_USD', 'AUD_JPY'), /spreadPipsP999: is required: nobody has measured the spread of AUD_JPY/],
    ['no conversion into the account currency', MINIMAL.replace('  tokenFile', '  accountCurrency: SEK\n  tokenFile'), /quoteToHome: is required: EUR_USD is not quoted in SEK/],
    ['a conversion where none happens', MINIMAL.replace('    stop', '    quoteToHome: 0.5\n    stop'), /quoteToHome: must be 1/],
    ['one pair twice', MINIMAL.replace('policy:', '  - name: EUR_USD\n    stopLossPips: 40\npolicy:'), /instruments\.1\.name: EUR_USD is listed twice/],
    ['lockstep without the local broker', MINIMAL.replace('  tokenFile', '  clock: lockstep\n  tokenFile'), /broker\.clock: lockstep needs the local broker/],
    ['another host for practice', MINIMAL.replace('  tokenFile', '  restUrl: https://api-fxtrade.oanda.com\n  tokenFile'), /restUrl: is not the practice host/],
    ['a local broker without an address', MINIMAL.replace('practice', 'local'), /restUrl: is required for the local broker/],
    ['a local broker elsewhere', local.replace('127.0.0.1:8701', '10.0.0.7:8701'), /streamUrl: is not a plain http address of this machine/],
    ['averages in the wrong order', MINIMAL.replace('kind: hold', 'kind: sma-cross\n  fastBars: 50\n  slowBars: 20'), /fastBars: 50 is not below slowBars \(20\)/],
    ['a socket path that no socket can have', MINIMAL + `control:\n  socketPath: /${'s'.repeat(107)}\n`, /socketPath: is longer than 107 bytes/],
  ])('refuse %s', (_name, text, message) => {
    expect(problemsOf(text)).toMatch(message);
  });

  test('the account’s limits follow from the positions that the instruments may hold, and are taken as given where they are given', () => {
    const limits = (text: string) => {
      const { orderNotionalMax, grossExposureMax, currencyExposureMax, openTradesMax, marginShareMax } = load(text).config.safety;
      return [format(orderNotionalMax), format(grossExposureMax), format(currencyExposureMax), openTradesMax, format(marginShareMax)];
    };
    expect(limits(MINIMAL)).toEqual(['1.61', '1.61', '3.22', 1, '0.3']);
    // A pound is 2.12 dollars at its dearest, a euro 1.61.
    expect(limits(`${TWO}safety:\n  maxOrderUnits: 10\n  maxPositionUnits: 100\n  tradeLossMoney: 1\n`)).toEqual(['21.2', '373', '424', 2, '0.3']);
    expect(limits(`${MINIMAL}safety:\n  orderNotionalMax: 2\n  grossExposureMax: 3\n  currencyExposureMax: 2.5\n  openTradesMax: 7\n  marginShareMax: 0.1\n`)).toEqual(['2', '3', '2.5', 7, '0.1']);
    const rand = MINIMAL.replace('EUR_USD', 'ZAR_USD').replace('    stop', '    spreadPipsP999: 5\n    gapAllowancePips: 9\n    baseToHome: 0.2\n    stop');
    expect(limits(rand)).toEqual(['0.2', '0.2', '0.4', 1, '0.3']);
  });

  test('a configuration of unknown base worth is enough where it states the limits itself', () => {
    const text = `${MINIMAL.replace('EUR_USD', 'ZAR_USD').replace('    stop', '    spreadPipsP999: 5\n    gapAllowancePips: 9\n    stop')}safety:\n  orderNotionalMax: 1\n  grossExposureMax: 1\n  currencyExposureMax: 1\n`;
    expect(load(text).config.instruments[0]).toMatchObject({ baseToHome: null });
  });

  test('the worst loss is the day’s limit plus every position stopped out with its gap', () => {
    const { config } = load(`${MINIMAL.replace('policy:', '  - name: USD_JPY\n    stopLossPips: 50\n    spreadPipsP999: 6\npolicy:')}safety:\n  maxPositionUnits: 1000\n`);
    // EUR_USD: 1000 × (30 + 100) pips × 0.0001 = 13 dollars. USD_JPY: 1000 × (50 + 100) × 0.01 yen × 0.0134 = 20.1.
    expect(format(worstLoss(config))).toBe('34.1');
  });
});

describe('the environment', () => {
  test('overrides single values, list elements included, and says so', () => {
    const { config, values } = load(MINIMAL, { RECKONER_INSTRUMENTS_0_STOP_LOSS_PIPS: '45.5', RECKONER_CONTROL_HTTP_PORT: '0', PATH: '/bin' });
    expect(format(config.instruments[0]!.stopLossPips)).toBe('45.5');
    expect(config.control.httpPort).toBe(0);
    expect(values.find(({ path }) => path === 'instruments.0.stopLossPips')).toMatchObject({ source: 'environment', place: 'RECKONER_INSTRUMENTS_0_STOP_LOSS_PIPS' });
    expect(values.find(({ path }) => path === 'deployment.name')).toMatchObject({ source: 'file' });
    expect(values.find(({ path }) => path === 'deployment.name')?.place).toMatch(/:2:9$/);
    expect(values.find(({ path }) => path === 'logging.level')).toMatchObject({ source: 'default', variable: 'RECKONER_LOGGING_LEVEL' });
  });

  test('can add the next list element but not one beyond it', () => {
    const pair = (index: number) => ({ [`RECKONER_INSTRUMENTS_${index}_NAME`]: 'GBP_USD', [`RECKONER_INSTRUMENTS_${index}_STOP_LOSS_PIPS`]: '60', [`RECKONER_INSTRUMENTS_${index}_SPREAD_PIPS_P999`]: '7' });
    expect(load(MINIMAL, pair(1)).config.instruments.map(({ name }) => name)).toEqual(['EUR_USD', 'GBP_USD']);
    expect(problemsOf(MINIMAL, pair(2))).toMatch(/environment RECKONER_INSTRUMENTS_2_NAME instruments\.2\.name: cannot be set: the list has 1 elements/);
  });

  test('is refused when a variable names no key, so that a mistyped limit is noticed', () => {
    expect(problemsOf(MINIMAL, { RECKONER_SAFETY_MAX_ORDER_UNIT: '1' })).toMatch(/^environment RECKONER_SAFETY_MAX_ORDER_UNIT: names no key/);
    expect(load(MINIMAL, { RECKONER_BARS: 'bars.csv' }).hash).toBe(load(MINIMAL).hash);
  });

  test('names the variable, not the file, for a bad value', () => {
    expect(problemsOf(MINIMAL, { RECKONER_SAFETY_ORDERS_PER_DAY_MAX: 'many' })).toMatch(/^environment RECKONER_SAFETY_ORDERS_PER_DAY_MAX safety\.ordersPerDayMax: must be a whole number/);
  });

  test('switches the policy and drops what belonged to the other', () => {
    const text = MINIMAL.replace('kind: hold', 'kind: muzero\n  modelDirectory: models/m');
    expect(load(text, { RECKONER_POLICY_KIND: 'random', RECKONER_POLICY_SEED: '7' }).config.policy).toEqual({ kind: 'random', seed: 7, holdShare: 0.9 });
  });

  test('fills in how a search looks and chooses, by either rule, and refuses a temperature beside gumbel', () => {
    const text = MINIMAL.replace('kind: hold', 'kind: muzero\n  modelDirectory: /m');
    const common = { kind: 'muzero', modelDirectory: '/m', featureSetId: 'swt-137', simulations: 15, discount: 0.997, minConfidence: 0.35, temperature: 0, seed: 0 };
    expect(load(text).config.policy).toEqual({ ...common, selection: { algorithm: 'puct', pbCInit: 1.25, pbCBase: 19_652 } });
    const gumbel = text.replace('modelDirectory: /m', 'modelDirectory: /m\n  algorithm: gumbel\n  gumbel:\n    scale: 0.5');
    expect(load(gumbel).config.policy).toEqual({ ...common, selection: { algorithm: 'gumbel', consideredActionsMax: 16, maxVisitInit: 50, valueScale: 0.1, scale: 0.5 } });
    expect(load(text, { RECKONER_POLICY_TEMPERATURE: '0.5' }).config.policy).toMatchObject({ temperature: 0.5 });
    expect(() => load(gumbel, { RECKONER_POLICY_TEMPERATURE: '0.5' })).toThrow(/policy.temperature.*0.5 is for puct/s);
  });

  test('has one variable for each key and never the same for two', () => {
    const names = schemaKeys().map(({ path }) => path.join('_').replaceAll(/([A-Z])/g, '_$1').toUpperCase());
    expect(new Set(names).size).toBe(names.length);
  });
});

describe('the hash', () => {
  test('is the same for the same values however they are spelled, and for moved places', () => {
    const { hash } = load(MINIMAL);
    expect(hash).toMatch(/^[0-9a-f]{64}$/);
    expect(load(MINIMAL.replace('30', '"30.00"')).hash).toBe(hash);
    expect(load(`${MINIMAL}safety:\n  maxOrderUnits: 1.0\n`).hash).toBe(hash);
    expect(load(MINIMAL.replace('dataDirectory: data', 'dataDirectory: /var/lib/reckoner'), { RECKONER_CONTROL_HTTP_PORT: '9999' }).hash).toBe(hash);
  });

  test('changes with every value that changes how the daemon trades', () => {
    const { hash } = load(MINIMAL);
    expect(load(MINIMAL.replace('30', '31')).hash).not.toBe(hash);
    expect(load(MINIMAL, { RECKONER_SAFETY_ORDERS_PER_DAY_MAX: '21' }).hash).not.toBe(hash);
    expect(load(MINIMAL, { RECKONER_SAFETY_DISPOSITIONS_MODEL: 'hold' }).hash).not.toBe(hash);
  });
});

describe('the example profiles', () => {
  test.each(['practice', 'demo', 'demo-three'])('%s loads as it is', (name) => {
    const { config } = loadConfig({ file: `config/profiles/${name}.yaml`, environment: {} });
    expect(config.deployment.name).toBe(name);
    expect(config.broker.environment).not.toBe('live');
    expect(format(config.safety.maxPositionUnits)).toBe('1');
  });

  test('practice shows every key, commented out or not, and each commented default is the real one', () => {
    const text = readFileSync('config/profiles/practice.yaml', 'utf8');
    const uncommented = text.replaceAll(/^(\s*)# (\s*(?:- )?[a-zA-Z0-9]+:(?: .*)?)$/gm, '$1$2');
    const given = load(text).config;
    const full = load(uncommented);
    expect(full.config).toEqual(given);
    const shown = new Set(full.values.filter(({ source }) => source === 'file').map(({ path }) => path.replaceAll(/\.\d+(?=\.)/g, '.*')));
    const search = ['modelDirectory', 'featureSetId', 'algorithm', 'simulations', 'discount', 'minConfidence', 'temperature', 'seed', 'pbCInit', 'pbCBase', 'gumbel.consideredActionsMax', 'gumbel.maxVisitInit', 'gumbel.valueScale', 'gumbel.scale'];
    for (const key of search) expect(text).toContain(`${key} (`);
    const otherPolicies = [...search, 'holdShare'].map((key) => `policy.${key}`);
    expect(schemaKeys().map(({ path }) => path.join('.')).filter((path) => !shown.has(path))).toEqual(otherPolicies);
  });

  test('every key of the schema is documented', () => {
    expect(schemaKeys().filter(({ description }) => description === '')).toEqual([]);
  });
});
