/** `reckoner fault-proxy`: a TCP proxy that fails on purpose, for drills against any server. */
import { proxyPlanOf, readProxyPlan } from '../../adapters/broker/faults/proxy-plan.ts';
import { FaultProxy } from '../../adapters/broker/faults/tcp-proxy.ts';
import { say, UsageError } from './common.ts';

export interface FaultProxyCommand {
  readonly to: string;
  readonly listen: string;
  readonly plan?: string;
  readonly log?: string;
}

export const FAULT_PROXY_HELP = `
It passes bytes both ways, TLS or not, until a toxic strikes: latency, bandwidth, slowClose, timeout, reset, slicer,
limitData or down. One with match: strikes only exchanges whose request begins with that text.
  seed: 7
  toxics:
    - kind: timeout
      direction: reply
      match: "POST "
      count: 1
It prints one line on stdout, {"host","port"}, and listens until it is told to stop.

Example:
  npx reckoner fault-proxy --to 127.0.0.1:8700 --plan toxics.yaml`;

function portOf(text: string | undefined, option: string, least: number): number {
  const port = text !== undefined && /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (!(port >= least && port <= 65_535)) throw new UsageError(`--${option} must name a port from ${least} to 65535, not "${text ?? ''}"`);
  return port;
}

function serverOf(text: string): { readonly host: string; readonly port: number } {
  const [, host, port] = /^(.+):(\d+)$/.exec(text) ?? [];
  if (host === undefined) throw new UsageError(`--to must be a server such as 127.0.0.1:8700, not "${text}"`);
  return { host, port: portOf(port, 'to', 1) };
}

/** Listens until it is told to stop. The one line on stdout says where, for whoever started it. */
export async function runFaultProxy(command: FaultProxyCommand): Promise<number> {
  const proxy = await FaultProxy.start({
    to: serverOf(command.to),
    port: portOf(command.listen, 'listen', 0),
    plan: command.plan === undefined ? proxyPlanOf({}) : readProxyPlan(command.plan),
    ...(command.log === undefined ? {} : { logFile: command.log }),
  });
  say(JSON.stringify({ host: '127.0.0.1', port: proxy.port }));
  await new Promise<void>((resolve) => {
    process.once('SIGTERM', () => resolve());
    process.once('SIGINT', () => resolve());
  });
  await proxy.close();
  return 0;
}
