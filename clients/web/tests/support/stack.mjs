// The real stack for tests: nats-server, feed-sim, order-api and gateway as processes, on ports of their own.

import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));
const BIN = process.env.TICKGATE_BIN_DIR ?? join(ROOT, 'target/debug');

function natsBinary() {
  const ours = join(ROOT, '.tools/nats/bin/nats-server');
  return process.env.NATS_SERVER_BIN ?? (existsSync(ours) ? ours : 'nats-server');
}

class Process {
  log = '';

  constructor(name, command, args) {
    this.name = name;
    this.child = spawn(command, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
    this.exited = new Promise((resolve) => this.child.once('exit', (code, signal) => resolve(`${code ?? signal}`)));
    this.exited.then((how) => (this.how = how));
    this.ready = new Promise((resolve, reject) => {
      this.child.once('error', reject);
      this.child.stdout.on('data', (bytes) => {
        this.log += bytes;
        const line = this.log.split('\n').find((text) => text.startsWith('ready'));
        if (line !== undefined) resolve(Object.fromEntries(line.split(' ').slice(1).map((word) => word.split('='))));
      });
      this.exited.then((how) => reject(new Error(`${name} ended (${how}):\n${this.log}`)));
    });
    this.ready.catch(() => undefined);
    this.child.stderr.on('data', (bytes) => (this.log = (this.log + bytes).slice(-20_000)));
  }

  /** Ends it as an operator would; its exit code. */
  async stop(signal = 'SIGTERM') {
    if (this.how === undefined) this.child.kill(signal);
    const late = setTimeout(() => this.child.kill('SIGKILL'), 10_000);
    const how = await this.exited;
    clearTimeout(late);
    return how;
  }
}

async function nats(folder) {
  const ports = join(folder, 'ports');
  mkdirSync(ports);
  writeFileSync(
    join(folder, 'nats.conf'),
    `listen: "127.0.0.1:-1"\nhttp: "127.0.0.1:-1"\nports_file_dir: "${ports}"\nmax_payload: 8MB\n` +
      `jetstream { store_dir: "${join(folder, 'store')}", sync_interval: always }\n`,
  );
  const process = new Process('nats-server', natsBinary(), ['-c', join(folder, 'nats.conf')]);
  const deadline = Date.now() + 10_000;
  while (Date.now() < deadline) {
    for (const file of readdirSync(ports)) {
      try {
        const { nats: [url], monitoring: [monitor] } = JSON.parse(readFileSync(join(ports, file), 'utf8'));
        return { process, url, monitor };
      } catch {
        // half-written; looked at again
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`nats-server told no ports:\n${process.log}`);
}

/** Starts all; `http` is the gateway's address; `start(name)` and `stop(name)` for single services. */
export async function stack({ symbols = 50, rate = 2_000, page = true } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'tickgate-stack-'));
  const server = await nats(folder);
  const running = { nats: server.process };
  let http = '127.0.0.1:0';
  const commands = {
    'feed-sim': () => ['--nats', server.url, '--symbols', String(symbols), '--rate', String(rate), '--seed', '7'],
    'order-api': () => ['--nats', server.url, '--nats-monitor', server.monitor, '--listen', '127.0.0.1:0'],
    gateway: () => [
      '--nats', server.url, '--listen', http, '--demo-accounts', 'A1,A2,A3', '--limits', 'bench',
      ...(page ? ['--page-dir', join(ROOT, 'clients/web/dist')] : []),
    ],
  };
  const self = {
    running,
    get http() {
      return http;
    },
    async start(name) {
      const process = new Process(name, join(BIN, name), commands[name]());
      running[name] = process;
      const late = new Promise((_, reject) => setTimeout(() => reject(new Error(`${name} is not ready:\n${process.log}`)), 30_000).unref());
      const ready = await Promise.race([process.ready, late]);
      if (name === 'gateway') http = ready.http;
      return ready;
    },
    async stop() {
      const codes = {};
      for (const name of ['gateway', 'order-api', 'feed-sim', 'nats']) codes[name] = await running[name]?.stop();
      rmSync(folder, { recursive: true, force: true });
      return codes;
    },
  };
  try {
    for (const name of Object.keys(commands)) await self.start(name);
  } catch (error) {
    await self.stop();
    throw error;
  }
  return self;
}
