// Dockerfile, compose file and server configuration agree with each other, with the settings and with what is in the checkout.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { Command } from 'commander';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { parseBytes } from '../../../src/base/bytes.ts';
import { parseDuration } from '../../../src/base/time.ts';
import { registerWorker } from '../../../src/cli/worker.ts';
import { loadSettings } from '../../../src/definitions/load_settings.ts';
import { environmentName, SETTING_KEYS } from '../../../src/definitions/setting_keys.ts';
import {
  copyOf,
  environmentOf,
  execForm,
  healthCheckOf,
  isIgnored,
  readDockerfile,
  ROOT,
  textsOf,
} from '../../support/dockerfile.ts';
import { parsed } from '../../support/parsed_command.ts';
import { stopMsMax } from '../../support/stop_limits.ts';

const WORKERS = ['worker-1', 'worker-2', 'worker-3'] as const;
type WorkerName = (typeof WORKERS)[number];

type Service = {
  readonly image: string;
  readonly build?: { readonly context: string; readonly dockerfile: string };
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes?: readonly string[];
  readonly ports?: readonly string[];
  readonly read_only?: boolean;
  readonly cap_drop?: readonly string[];
  readonly security_opt?: readonly string[];
  readonly stop_grace_period?: string;
  readonly mem_limit?: string;
  readonly healthcheck?: { readonly disable?: boolean };
  readonly depends_on?: Readonly<Record<string, unknown>> | readonly string[];
};

const stages = readDockerfile();
const final = stages.at(-1)!;
const compose = parse(read('docker/compose.yaml'), { merge: true }) as {
  readonly services: Readonly<Record<'nats' | WorkerName | 'producer' | 'prometheus' | 'grafana', Service>>;
  readonly volumes: Readonly<Record<string, unknown>>;
};
const services = Object.entries(compose.services);
const workers = WORKERS.map((name) => compose.services[name]);
const natsConf = read('docker/nats.conf').replace(/#.*$/gm, '');
const ADMIN_PORT = 9090;
const HTTP_PORT = 8080;
/** What one event of `demo --feed` takes in the two streams, measured over a minute at 50 a second (308 and 1,589), rounded up. */
const EVENT_BYTES = { log: 330, changes: 1_700 };

function read(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

/** Host and container side of a port or volume. */
function sides(text: string): { readonly outside: string; readonly inside: string } {
  const [, outside = '', inside = ''] = /^(.*?):([^:]+)(?::ro)?$/.exec(text.replace(/^127\.0\.0\.1:/, '')) ?? [];
  return { outside, inside };
}

test('what the Dockerfile copies is there, is not ignored, and comes from a stage before', () => {
  for (const [i, stage] of stages.entries()) {
    for (const text of textsOf(stage, 'COPY')) {
      const { from, sources } = copyOf(text);
      if (from !== undefined) {
        expect(stages.slice(0, i).map(({ name }) => name)).toContain(from);
        continue;
      }
      for (const source of sources) {
        expect(existsSync(join(ROOT, source)), source).toBe(true);
        expect(isIgnored(source), source).toBe(false);
      }
    }
  }
  for (const path of ['node_modules', 'dist', '.git', '.cache', 'test', '.env', 'bench'])
    expect(isIgnored(path), path).toBe(true);
});

test('the final stage has no source, runs as a user, in exec form, and its health check asks the admin port', () => {
  const copied = textsOf(final, 'COPY').flatMap((text) => copyOf(text).sources);
  expect(copied.map((path) => path.replace('/app/', '')).sort()).toEqual([
    'LICENSE',
    'config',
    'dist',
    'node_modules',
    'package.json',
  ]);
  expect(textsOf(final, 'USER')).toEqual(['1000:1000']); // `node` of the image; Kubernetes' runAsNonRoot refuses a name
  expect(textsOf(final, 'STOPSIGNAL')).toEqual(['SIGTERM']);
  expect(textsOf(final, 'VOLUME')).toEqual([environmentOf(final).VISAGE_DATA_DIRECTORY]);
  expect(execForm(final, 'ENTRYPOINT')).toEqual(['node', 'dist/cli/main.js']);
  expect(execForm(final, 'CMD')).toEqual(['worker']);
  const check = healthCheckOf(final).join(' ');
  expect(check).toContain('/healthz');
  expect(check).toContain(`process.env.VISAGE_ADMIN_PORT || ${ADMIN_PORT}`);
});

test('every VISAGE_ variable is a setting with a value that it takes', () => {
  const known = new Set([...SETTING_KEYS.map(({ key }) => environmentName(key)), 'VISAGE_LOG_LEVEL']);
  const named = [...`${read('docker/Dockerfile')}${read('docker/compose.yaml')}`.matchAll(/\bVISAGE_[A-Z_]*[A-Z]/g)];
  expect(named.length).toBeGreaterThan(4);
  for (const [name] of named) expect(known, name).toContain(name);
  for (const service of [...workers, compose.services.producer])
    expect(() => loadSettings({ env: { ...environmentOf(final), ...service.environment } })).not.toThrow();
  for (const { environment, command } of workers) {
    const settings = loadSettings({ env: { ...environmentOf(final), ...environment } });
    expect(settings.log.maxBytes).not.toBeNull(); // `worker --setup` needs it
    // hence --insecure, and ports on loopback alone; other containers know the workers by the names of their services
    expect(settings.http).toMatchObject({ host: '0.0.0.0', tokensFile: null, hosts: WORKERS });
    const program = new Command();
    registerWorker(program);
    expect(parsed(program, command!)).toMatchObject({ insecure: true });
    expect(settings.admin).toEqual({ host: '0.0.0.0', port: ADMIN_PORT });
  }
});

test('images are pinned, and every node is the one that the project is developed on', () => {
  const pinned = /^[\w./-]+:v?\d+\.\d+\.\d+(-[\w.]+)?$/;
  for (const [name, { image, build }] of services) if (build === undefined) expect(image, name).toMatch(pinned);
  const { devDependencies } = JSON.parse(read('package.json')) as { devDependencies: { node: string } };
  for (const { image } of stages) expect(image).toBe(`node:${devDependencies.node.split('.')[0]}-bookworm-slim`);
});

test('what compose mounts, builds and refers to is there', () => {
  for (const [name, { build, volumes = [], depends_on = [] }] of services) {
    if (build !== undefined) expect(existsSync(resolve(ROOT, 'docker', build.context, build.dockerfile)), name).toBe(true);
    for (const volume of volumes) {
      const { outside } = sides(volume);
      if (outside.startsWith('.')) expect(existsSync(resolve(ROOT, 'docker', outside)), `${name}: ${outside}`).toBe(true);
      else expect(Object.keys(compose.volumes), name).toContain(outside);
    }
    for (const other of Array.isArray(depends_on) ? depends_on : Object.keys(depends_on))
      expect(Object.keys(compose.services), name).toContain(other);
  }
  for (const { command = [], volumes = [] } of workers) {
    const definitions = command.find((word) => word.endsWith('.yaml'))!;
    expect(existsSync(join(ROOT, definitions.replace(/^\/app\//, '')))).toBe(true);
    expect(volumes.map((volume) => sides(volume).inside)).toEqual([environmentOf(final).VISAGE_DATA_DIRECTORY]);
  }
  const rules = (parse(read('config/prometheus/prometheus.yml')) as { rule_files: string[] }).rule_files;
  const mounted = (compose.services.prometheus.volumes ?? []).map((volume) => sides(volume).inside);
  for (const file of rules) expect(mounted).toContain(`/etc/prometheus/${file}`);
});

test('workers are alike but for their name and their volume, and have the time that they need to stop', () => {
  const { VISAGE_INSTANCE: _, ...first } = { ...workers[0]!.environment };
  for (const [n, { environment, stop_grace_period, healthcheck, command }] of workers.entries()) {
    const { VISAGE_INSTANCE: instance, ...others } = { ...environment };
    expect(instance).toBe(WORKERS[n]);
    expect(others).toEqual(first);
    expect(command).toEqual(workers[0]!.command);
    expect(healthcheck).toBeUndefined(); // the image's own
    expect(parseDuration(stop_grace_period!)).toBeGreaterThan(stopMsMax());
    expect(Object.keys(compose.services.producer.depends_on!)).toContain(instance);
  }
  const volumes = workers.flatMap((worker) => worker.volumes!.map((volume) => sides(volume).outside));
  expect(new Set(volumes).size).toBe(workers.length);
});

test('the heap has the limit that docs/run.md advises, and the container more than that', () => {
  for (const { environment, mem_limit } of workers) {
    const { cache } = loadSettings({ env: { ...environmentOf(final), VISAGE_LOG_MAX_BYTES: environment!.VISAGE_LOG_MAX_BYTES } });
    const heapBytes = parseBytes(`${/^--max-old-space-size=(\d+)$/.exec(environment!.NODE_OPTIONS!)![1]}MB`);
    expect(heapBytes).toBe(2 * cache.maxBytes + parseBytes('256MB'));
    expect(parseBytes(`${/^(\d+)g$/.exec(mem_limit!)![1]}GB`)).toBeGreaterThan(heapBytes + parseBytes('256MB'));
  }
});

test('every file that is mounted is used, and every one that is used is mounted', () => {
  const mounts = ({ volumes = [] }: Service): string[] =>
    volumes.filter((volume) => volume.startsWith('.')).map((volume) => sides(volume).inside);
  const { nats, prometheus, grafana, producer } = compose.services;
  expect(mounts(nats)).toEqual([nats.command!.at(nats.command!.indexOf('-c') + 1)]);
  for (const service of [...workers, producer]) expect(mounts(service)).toEqual([]);
  const { rule_files } = parse(read('config/prometheus/prometheus.yml')) as { rule_files: string[] };
  const asked = ['prometheus.yml', ...rule_files].map((file) => `/etc/prometheus/${file}`); // the image's own command names the first
  expect(mounts(prometheus).sort()).toEqual(asked.sort());
  const provisioning = parse(read('config/grafana/provisioning/dashboards/visage.yaml')) as {
    providers: { options: { path: string } }[];
  };
  const folders = provisioning.providers.map(({ options }) => options.path);
  expect(mounts(grafana)).toEqual(['/etc/grafana/provisioning', ...folders]); // the first is where Grafana looks
  const home = grafana.environment!.GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH!;
  expect(existsSync(join(ROOT, home.replace('/etc/grafana/', 'config/grafana/'))), home).toBe(true);
  expect(folders).toContain(dirname(home));
});

test('services of the image cannot write, gain rights or be reached from elsewhere', () => {
  for (const { read_only } of [...workers, compose.services.producer]) expect(read_only).toBe(true);
  for (const [name, { cap_drop, security_opt, ports = [] }] of services) {
    expect(cap_drop, name).toEqual(['ALL']);
    expect(security_opt, name).toEqual(['no-new-privileges:true']);
    for (const port of ports) expect(port, name).toMatch(/^127\.0\.0\.1:\d+:\d+$/);
  }
});

test('ports agree between settings, Dockerfile, compose, Prometheus, Grafana and the server', () => {
  const { http, admin, nats } = loadSettings({ env: {} });
  expect([http.port, admin.port]).toEqual([HTTP_PORT, ADMIN_PORT]);
  expect(textsOf(final, 'EXPOSE')).toEqual([`${HTTP_PORT} ${ADMIN_PORT}`]);
  const inside = ({ ports = [] }: Service): string[] => ports.map((port) => sides(port).inside);
  for (const worker of workers) expect(inside(worker)).toEqual([String(HTTP_PORT), String(ADMIN_PORT)]);
  const scrape = parse(read('config/prometheus/prometheus.yml')) as {
    scrape_configs: { static_configs: { targets: string[] }[] }[];
  };
  expect(scrape.scrape_configs[0]!.static_configs[0]!.targets).toEqual(WORKERS.map((name) => `${name}:${ADMIN_PORT}`));
  const source = parse(read('config/grafana/provisioning/datasources/prometheus.yaml')) as { datasources: { url: string }[] };
  expect(source.datasources[0]!.url).toBe(`http://prometheus:${inside(compose.services.prometheus)[0]}`);
  const client = /^port: (\d+)$/m.exec(natsConf)![1]!;
  expect(inside(compose.services.nats)).toEqual([client]);
  expect(nats.servers).toEqual([`nats://127.0.0.1:${client}`]);
  for (const { environment } of [...workers, compose.services.producer])
    expect(environment?.VISAGE_NATS_SERVERS).toBe(`nats://nats:${client}`);
  expect(read('docker/compose.yaml')).toContain(`http://127.0.0.1:${/^http_port: (\d+)$/m.exec(natsConf)![1]}/healthz`);
  const outside = services.flatMap(([, { ports = [] }]) => ports.map((port) => sides(port).outside));
  expect(new Set(outside).size).toBe(outside.length);
});

test('what the producer publishes in the time that it is kept fits the log and the server, for ever', () => {
  const { producer } = compose.services;
  const { log, changes } = loadSettings({ env: { ...environmentOf(final), ...workers[0]!.environment } });
  const eventsPerSecond = Number(producer.command!.at(producer.command!.indexOf('--rate') + 1));
  const kept = (maxAgeMs: number, eventBytes: number): number => (maxAgeMs / 1000) * eventsPerSecond * eventBytes;
  expect(log.maxAgeMs).toBeGreaterThan(0); // 0 keeps it for ever
  expect(kept(log.maxAgeMs, EVENT_BYTES.log)).toBeLessThan(log.maxBytes!);
  const storeBytes = parseBytes(/\bmax_file_store: (\S+)/.exec(natsConf)![1]!);
  expect(log.maxBytes! + kept(changes.maxAgeMs, EVENT_BYTES.changes)).toBeLessThan(storeBytes);
});

test('the server flushes every message, into the volume', () => {
  expect(natsConf).toMatch(/jetstream \{[^}]*\bsync_interval: always\b[^}]*\}/);
  const store = /\bstore_dir: (\S+)/.exec(natsConf)![1]!;
  const volume = sides(compose.services.nats.volumes!.find((one) => !one.startsWith('.'))!);
  expect(store.startsWith(`${volume.inside}/`)).toBe(true);
});
