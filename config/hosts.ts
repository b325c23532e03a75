/** The hosts of OANDA's v20 service. Nothing else is ever spoken to over https. */
export const OANDA_HOSTS = {
  practice: { restUrl: 'https://api-fxpractice.oanda.com', streamUrl: 'https://stream-fxpractice.oanda.com' },
  live: { restUrl: 'https://api-fxtrade.oanda.com', streamUrl: 'https://stream-fxtrade.oanda.com' },
} as const;

const LOOPBACK_HOSTS = ['127.0.0.1', '[::1]', 'localhost'];

/** Plain http on a loopback address, without credentials, query or path: the local broker. */
export function isLoopbackUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const url = new URL(text);
  const bare = url.pathname === '/' && url.search === '' && url.hash === '' && url.username === '' && url.password === '';
  return url.protocol === 'http:' && LOOPBACK_HOSTS.includes(url.hostname) && bare;
}
