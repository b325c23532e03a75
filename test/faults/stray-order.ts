/** Loaded into a daemon before anything else: at SIGUSR2 the process sends an order that the daemon knows nothing of. */
import { readFileSync } from 'node:fs';

process.on('SIGUSR2', () => {
  const { STRAY_ORDER_URL, STRAY_ORDER_TOKEN_FILE } = process.env;
  if (STRAY_ORDER_URL === undefined || STRAY_ORDER_TOKEN_FILE === undefined) throw new Error('a stray order needs an address and a token file');
  void fetch(STRAY_ORDER_URL, {
    method: 'POST',
    headers: { authorization: `Bearer ${readFileSync(STRAY_ORDER_TOKEN_FILE, 'utf8').trim()}`, 'content-type': 'application/json' },
    body: JSON.stringify({ order: { type: 'MARKET', instrument: 'EUR_USD', units: '1', timeInForce: 'FOK' } }),
  });
});
