import { describe, expect, test } from 'vitest';
import type { BrokerCommand } from '../../../src/commands/broker.ts';
import { brokerOptions } from '../../../src/commands/broker.ts';
import { UsageError } from '../../../src/commands/common.ts';

/** The options as they stand when none is given. */
const PLAIN: BrokerCommand = { port: '0', streamPort: '0', seed: '1', clock: 'realtime', alwaysOpen: false, hold: false, rateLimits: false };
const LOCKSTEP: BrokerCommand = { ...PLAIN, clock: 'lockstep' };

describe('the broker’s options', () => {
  test('leave what is offered to the broker when none is named', () => {
    expect(brokerOptions(PLAIN)).toEqual({ clock: 'realtime', port: 0, streamPort: 0, seed: 1, alwaysOpen: false, hold: false });
  });

  test('name instruments one by one, or several with commas', () => {
    expect(brokerOptions({ ...LOCKSTEP, instrument: ['EUR_USD,USD_JPY', ' EUR_JPY'] }).instruments).toEqual(['EUR_USD', 'USD_JPY', 'EUR_JPY']);
  });

  test('give a file to the one instrument, or to each by name', () => {
    expect(brokerOptions({ ...LOCKSTEP, bars: ['a.csv'] }).barsFiles).toEqual({ EUR_USD: 'a.csv' });
    expect(brokerOptions({ ...LOCKSTEP, instrument: ['GBP_JPY'], bars: ['a=b.csv'] }).barsFiles).toEqual({ GBP_JPY: 'a=b.csv' });
    expect(brokerOptions({ ...LOCKSTEP, bars: ['USD_JPY=a.csv', 'EUR_USD=b=c.csv'] }).barsFiles).toEqual({ USD_JPY: 'a.csv', EUR_USD: 'b=c.csv' });
    expect(brokerOptions({ ...LOCKSTEP, instrument: ['USD_JPY'], bars: ['USD_JPY=a.csv'] }).barsFiles).toEqual({ USD_JPY: 'a.csv' });
  });

  test('switch limits on, with or without Retry-After', () => {
    expect(brokerOptions({ ...PLAIN, rateLimits: true }).rateLimits).toEqual({ requestsPerSecond: 120, connectionsPerSecond: 2, retryAfterSeconds: null });
    expect(brokerOptions({ ...PLAIN, rateLimits: true, retryAfter: '2' }).rateLimits).toMatchObject({ retryAfterSeconds: 2 });
  });

  test.each<[string, BrokerCommand]>([
    ['--clock must be realtime or lockstep, not "fast"', { ...PLAIN, clock: 'fast' }],
    ['--port must be a number from 0 to 65535, not "eighty"', { ...PLAIN, port: 'eighty' }],
    ['--instrument: "eur" is no instrument name such as EUR_USD', { ...PLAIN, instrument: ['eur'] }],
    ['--instrument names EUR_USD twice; give each instrument once', { ...PLAIN, instrument: ['EUR_USD', 'USD_JPY,EUR_USD'] }],
    ['--bars plays a file in accelerated time: add --clock lockstep', { ...PLAIN, bars: ['a.csv'] }],
    ['--bars a.csv does not say which instrument it holds: give --bars NAME=FILE for each', { ...LOCKSTEP, bars: ['EUR_USD=b.csv', 'a.csv'] }],
    ['--bars a.csv does not say which instrument it holds: give --bars NAME=FILE for each', { ...LOCKSTEP, instrument: ['EUR_USD,USD_JPY'], bars: ['a.csv'] }],
    ['--bars gives EUR_USD two files; give one', { ...LOCKSTEP, bars: ['EUR_USD=a.csv', 'EUR_USD=b.csv'] }],
    ['--instrument USD_JPY has no file: add --bars USD_JPY=FILE, or leave the instrument out', { ...LOCKSTEP, instrument: ['EUR_USD', 'USD_JPY'], bars: ['EUR_USD=a.csv'] }],
    ['--bars has a file of USD_JPY, which --instrument leaves out: name it there, or leave the file out', { ...LOCKSTEP, instrument: ['EUR_USD'], bars: ['EUR_USD=a.csv', 'USD_JPY=b.csv'] }],
    ['--drawn-bars and --drawn-from draw a market for accelerated time: add --clock lockstep', { ...PLAIN, drawnBars: '5' }],
    ['--drawn-bars and --drawn-from draw a market, --bars plays a file: give one or the other', { ...LOCKSTEP, drawnBars: '5', bars: ['a.csv'] }],
    ['--drawn-from: "noon" is not a UTC time such as 2026-09-23T21:14:07Z', { ...LOCKSTEP, drawnFrom: 'noon' }],
    ['--hold stops accelerated time: add --clock lockstep', { ...PLAIN, hold: true }],
    ['--spread-pips is the spread around a file of mid prices: add --bars', { ...LOCKSTEP, spreadPips: '1' }],
    ['--rate-limits counts real seconds, and accelerated time has its own: leave it out, or use --clock realtime', { ...LOCKSTEP, rateLimits: true }],
    ['--retry-after is told with a 429, which only limits cause: add --rate-limits', { ...PLAIN, retryAfter: '1' }],
  ])('that cannot be obeyed are refused: %s', (message, command) => {
    expect(() => brokerOptions(command)).toThrow(new UsageError(message));
  });
});
