/** `reckoner config show | check`: what holds, and where it comes from. */
import type { ConfigOption } from './common.ts';
import { load, say, sayJson, table } from './common.ts';

export function showConfig(options: ConfigOption & { readonly json: boolean }): number {
  const { values, hash } = load(options);
  if (options.json) sayJson({ version: 1, hash, values });
  else {
    say(table(values.map(({ path, value, source, place }) => ({ key: path, value: String(value), source, place }))));
    say(`\nconfiguration hash ${hash}`);
  }
  return 0;
}

export function checkConfig(options: ConfigOption): number {
  const { hash } = load(options);
  say(`ok: ${options.config}, configuration hash ${hash}`);
  return 0;
}
