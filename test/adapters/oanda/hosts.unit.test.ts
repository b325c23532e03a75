import { describe, expect, test } from 'vitest';
import { brokerOrigins, hostKind } from '../../../adapters/oanda/hosts.ts';
import { OANDA_HOSTS } from '../../../config/hosts.ts';

describe('hosts that a token may be sent to', () => {
  test.each([
    ['https://api-fxpractice.oanda.com', 'practice'],
    ['https://stream-fxpractice.oanda.com/', 'practice'],
    ['https://api-fxtrade.oanda.com:443', 'live'],
    ['https://stream-fxtrade.oanda.com', 'live'],
    ['http://127.0.0.1:8080', 'local'],
    ['http://localhost:1', 'local'],
    ['http://[::1]:9', 'local'],
  ])('%s is %s', (address, kind) => expect(hostKind(address)).toBe(kind));

  test.each([
    'http://api-fxpractice.oanda.com',
    'https://api-fxpractice.oanda.com:8443',
    'https://api-fxpractice.oanda.com.example.com',
    'https://api-fxpractice.oanda.com@example.com',
    'https://user:secret@api-fxpractice.oanda.com',
    'https://api-fxpractice.oanda.com/v3',
    'https://127.0.0.1:8080',
    'http://127.0.0.1.example.com',
    'http://0.0.0.0:80',
    'http://192.168.0.2',
    'ftp://127.0.0.1',
    'no address',
  ])('%s is refused', (address) => expect(hostKind(address)).toBe('refused'));

  test('two addresses of one environment give their origins', () => {
    expect(brokerOrigins(OANDA_HOSTS.practice.restUrl, OANDA_HOSTS.practice.streamUrl)).toEqual({ rest: 'https://api-fxpractice.oanda.com', stream: 'https://stream-fxpractice.oanda.com' });
    expect(brokerOrigins('http://127.0.0.1:1/', 'http://127.0.0.1:2')).toEqual({ rest: 'http://127.0.0.1:1', stream: 'http://127.0.0.1:2' });
  });

  test('addresses of two environments, or in the wrong places, are refused by name', () => {
    expect(() => brokerOrigins(OANDA_HOSTS.practice.restUrl, OANDA_HOSTS.live.streamUrl)).toThrow(/broker\.streamUrl/);
    expect(() => brokerOrigins(OANDA_HOSTS.live.streamUrl, OANDA_HOSTS.live.restUrl)).toThrow(/mixed up/);
    expect(() => brokerOrigins('https://example.com', OANDA_HOSTS.live.streamUrl)).toThrow(/broker\.restUrl "https:\/\/example\.com"/);
  });
});
