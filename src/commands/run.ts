/** `reckoner run`: the daemon in the foreground, for systemd, docker or a terminal. */
import { pino } from 'pino';
import { runDaemon } from '../daemon/daemon.ts';
import type { ConfigOption } from './common.ts';
import { BUILD, load } from './common.ts';

export async function run(options: ConfigOption): Promise<number> {
  const { config, hash } = load(options);
  const logger = pino({ level: config.logging.level, base: { deployment: config.deployment.name } }, pino.destination({ dest: 2, sync: true }));
  return runDaemon({ config, configHash: hash, build: BUILD, logger });
}
