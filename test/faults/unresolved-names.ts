/** Loaded into a daemon before anything else: SIGUSR2 ends or restores the resolving of names. With NAMES_DOWN none resolves from the start. */
import dns from 'node:dns';

const { lookup } = dns;
let isDown = process.env['NAMES_DOWN'] !== undefined;
process.on('SIGUSR2', () => {
  isDown = !isDown;
});
dns.lookup = Object.assign((...parameters: Parameters<typeof lookup>) => {
  const [name] = parameters;
  const callback = parameters.at(-1) as unknown as (error: NodeJS.ErrnoException) => void;
  if (isDown) process.nextTick(callback, Object.assign(new Error(`getaddrinfo ENOTFOUND ${name}`), { code: 'ENOTFOUND', syscall: 'getaddrinfo', hostname: name }));
  else lookup(...parameters);
}, { __promisify__: lookup.__promisify__ }) as typeof lookup;
