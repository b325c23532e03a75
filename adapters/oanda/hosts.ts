/** Which hosts a token may be sent to: OANDA's four, over TLS, and loopback for the local broker. */

import { OANDA_HOSTS } from '../../config/hosts.ts';

/** Where orders at a host end up; `refused` hosts get neither a connection nor a token. */
type HostKind = 'practice' | 'live' | 'local' | 'refused';

const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;

/**
 * Judges an address. `local` is plain http to a loopback host on any port; `practice` and `live` are exactly the
 * origins above. All else is refused, an address with a path, a query or credentials in it included.
 */
export function hostKind(address: string): HostKind {
  if (!URL.canParse(address)) return 'refused';
  const url = new URL(address);
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '' || url.username !== '' || url.password !== '') return 'refused';
  if (url.protocol === 'http:') return LOOPBACK.test(url.hostname) ? 'local' : 'refused';
  for (const kind of ['practice', 'live'] as const) {
    const hosts = OANDA_HOSTS[kind];
    if (url.origin === hosts.restUrl || url.origin === hosts.streamUrl) return kind;
  }
  return 'refused';
}

/** The origins of a broker's two addresses, checked to belong together. */
interface BrokerOrigins {
  readonly rest: string;
  readonly stream: string;
}

/** @throws RangeError naming the address that may not be used, and what to write instead. */
export function brokerOrigins(restUrl: string, streamUrl: string): BrokerOrigins {
  const kind = hostKind(restUrl);
  if (kind === 'refused' || hostKind(streamUrl) !== kind) {
    const wrong = kind === 'refused' ? `broker.restUrl "${restUrl.slice(0, 80)}"` : `broker.streamUrl "${streamUrl.slice(0, 80)}" beside a ${kind} REST address`;
    throw new RangeError(`${wrong} may not be used: give both of OANDA's practice addresses, both live ones, or http on a loopback host for the local broker`);
  }
  const origins = { rest: new URL(restUrl).origin, stream: new URL(streamUrl).origin };
  if (kind !== 'local' && (origins.rest !== OANDA_HOSTS[kind].restUrl || origins.stream !== OANDA_HOSTS[kind].streamUrl)) {
    throw new RangeError(`broker.restUrl and broker.streamUrl are mixed up: they are ${OANDA_HOSTS[kind].restUrl} and ${OANDA_HOSTS[kind].streamUrl}`);
  }
  return origins;
}
