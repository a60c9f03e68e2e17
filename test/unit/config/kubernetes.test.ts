// The manifests agree with each other, with the Dockerfile, with the settings and with how long a worker takes to stop. No cluster takes part.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { expect, test } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { registerSetup } from '../../../src/cli/setup.ts';
import { registerWorker } from '../../../src/cli/worker.ts';
import { loadDefinitionsFile } from '../../../src/definitions/load_definitions.ts';
import { beyondTheLog } from '../../../src/definitions/log_reach.ts';
import { loadSettings } from '../../../src/definitions/load_settings.ts';
import type { Settings } from '../../../src/definitions/settings.ts';
import { environmentOf, execForm, readDockerfile, ROOT, textsOf } from '../../support/dockerfile.ts';
import { parsed } from '../../support/parsed_command.ts';
import { stopMsMax } from '../../support/stop_limits.ts';

type Labels = Readonly<Record<string, string>>;
type Probe = {
  readonly httpGet: { readonly path: string; readonly port: string };
  readonly periodSeconds: number;
  readonly failureThreshold: number;
};
type Variable = { readonly name: string; readonly value?: string; readonly valueFrom?: unknown };
type Mount = { readonly name: string; readonly mountPath: string; readonly readOnly?: boolean };
type Container = {
  readonly name: string;
  readonly image: string;
  readonly args: readonly string[];
  readonly env: readonly Variable[];
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[];
  readonly startupProbe: Probe;
  readonly livenessProbe: Probe;
  readonly readinessProbe: Probe;
  readonly resources: { readonly requests: Labels; readonly limits: Labels };
  readonly securityContext: unknown;
  readonly volumeMounts: readonly Mount[];
};
type Volume = {
  readonly name: string;
  readonly configMap?: { readonly name: string };
  readonly secret?: { readonly secretName: string };
  readonly emptyDir?: object;
};
type Pod = {
  readonly metadata: { readonly labels: Labels };
  readonly spec: {
    readonly enableServiceLinks: boolean;
    readonly automountServiceAccountToken: boolean;
    readonly terminationGracePeriodSeconds: number;
    readonly securityContext: Readonly<Record<string, unknown>>;
    readonly affinity: unknown;
    readonly containers: readonly [Container];
    readonly volumes: readonly Volume[];
  };
};
type Manifest = {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly data?: Labels;
  readonly spec: {
    readonly replicas: number;
    readonly serviceName: string;
    readonly clusterIP?: string;
    readonly selector: { readonly matchLabels: Labels } & Labels;
    readonly podSelector: { readonly matchLabels: Labels };
    readonly maxUnavailable: number;
    readonly unhealthyPodEvictionPolicy: string;
    readonly publishNotReadyAddresses?: boolean;
    readonly minReadySeconds: number;
    readonly policyTypes: readonly string[];
    readonly ports: readonly { readonly name: string; readonly port: number; readonly targetPort: string }[];
    readonly ingress: readonly { readonly from?: unknown; readonly ports: readonly { readonly port: string }[] }[];
    readonly template: Pod;
    readonly volumeClaimTemplates: readonly { readonly metadata: { readonly name: string } }[];
  };
};

const FOLDER = join(ROOT, 'docker/kubernetes');
const API_VERSIONS: Labels = {
  ConfigMap: 'v1',
  Service: 'v1',
  Job: 'batch/v1',
  StatefulSet: 'apps/v1',
  PodDisruptionBudget: 'policy/v1',
  NetworkPolicy: 'networking.k8s.io/v1',
};
const MB = 1024 ** 2;
const UNITS: Readonly<Record<string, number>> = { Mi: MB, Gi: 1024 * MB };

const manifests = readdirSync(FOLDER).flatMap((file) => manifestsOf(file));
const image = readDockerfile().at(-1)!;
const setup = one('Job', 'visage-setup').spec.template;
const worker = one('StatefulSet', 'visage-worker');
const workerPod = worker.spec.template;
const [workerContainer] = workerPod.spec.containers;
const [setupContainer] = setup.spec.containers;
const config = one('ConfigMap', 'visage-config').data!;

function manifestsOf(file: string): Manifest[] {
  return parseAllDocuments(readFileSync(join(FOLDER, file), 'utf8')).map((document) => {
    expect(document.errors, file).toEqual([]);
    return document.toJS() as Manifest;
  });
}

function one(kind: string, name: string): Manifest {
  const found = manifests.filter((manifest) => manifest.kind === kind && manifest.metadata.name === name);
  expect(found, `${kind} ${name}`).toHaveLength(1);
  return found[0]!;
}

/** What the loader makes of the settings as this container has them. */
function settingsOf({ env }: Container): Settings {
  const folder = mkdtempSync(join(tmpdir(), 'visage-manifests-'));
  try {
    writeFileSync(join(folder, 'worker.yaml'), config['worker.yaml']!);
    const given = env.map(({ name, value }) => [name, value ?? 'visage-worker-0'] as const);
    return loadSettings({ file: join(folder, 'worker.yaml'), env: { ...environmentOf(image), ...Object.fromEntries(given) } });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function definitionsOf(): ReturnType<typeof loadDefinitionsFile> {
  const folder = mkdtempSync(join(tmpdir(), 'visage-manifests-'));
  try {
    writeFileSync(join(folder, 'definitions.yaml'), config['definitions.yaml']!);
    return loadDefinitionsFile(join(folder, 'definitions.yaml'));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function matches(selector: Labels, labels: Labels): boolean {
  return Object.entries(selector).every(([key, value]) => labels[key] === value);
}

function bytes(text: string): number {
  const [, number, unit] = /^(\d+)(Mi|Gi)$/.exec(text)!;
  return Number(number) * UNITS[unit!]!;
}

test('every manifest has the version of its kind, and a name of its own', () => {
  for (const { kind, apiVersion, metadata } of manifests) expect(apiVersion, metadata.name).toBe(API_VERSIONS[kind]);
  const names = manifests.map(({ kind, metadata }) => `${kind}/${metadata.name}`);
  expect(new Set(names).size).toBe(names.length);
  expect(names.map((name) => name.split('/')[0]).sort()).toEqual([...Object.keys(API_VERSIONS), 'Service'].sort());
});

test('whatever selects pods selects the workers, and never the set-up', () => {
  const selectors = [
    ...manifests.filter(({ kind }) => kind === 'Service').map(({ spec }): Labels => spec.selector),
    worker.spec.selector.matchLabels,
    one('PodDisruptionBudget', 'visage-worker').spec.selector.matchLabels,
    one('NetworkPolicy', 'visage-worker').spec.podSelector.matchLabels,
  ];
  expect(selectors).toHaveLength(5);
  for (const selector of selectors) {
    expect(Object.keys(selector).length).toBeGreaterThan(0); // an empty one selects everything
    expect(matches(selector, workerPod.metadata.labels)).toBe(true);
    expect(matches(selector, setup.metadata.labels)).toBe(false);
  }
  expect(JSON.stringify(workerPod.spec.affinity)).toContain(JSON.stringify({ matchLabels: worker.spec.selector.matchLabels }));
});

test('a disruption takes one worker at a time, and there are more', () => {
  const { maxUnavailable, unhealthyPodEvictionPolicy } = one('PodDisruptionBudget', 'visage-worker').spec;
  expect([maxUnavailable, unhealthyPodEvictionPolicy]).toEqual([1, 'AlwaysAllow']); // when NATS is away nobody is ready
  expect(worker.spec.replicas).toBeGreaterThan(1);
  expect(worker.spec.replicas).toBeLessThanOrEqual(settingsOf(workerContainer).partitions);
});

test('the headless Service is the one that the StatefulSet names', () => {
  expect(one('Service', worker.spec.serviceName).spec.clusterIP).toBe('None');
});

test('Prometheus, as docs/operations.md says it, finds every worker by the headless Service, under the job of the rules', () => {
  const page = readFileSync(join(ROOT, 'docs/operations.md'), 'utf8');
  const [, block] = /^ {2}```yaml\n([^]*?)^ {2}```/m.exec(page.slice(page.indexOf('\n## On Kubernetes\n')))!;
  const { scrape_configs } = parse(block!) as {
    scrape_configs: { job_name: string; dns_sd_configs: { names: string[]; type: string }[] }[];
  };
  const service = one('Service', worker.spec.serviceName);
  const { name } = service.spec.ports[0]!;
  const names = [`_${name}._tcp.${service.metadata.name}.default.svc.cluster.local`];
  expect(scrape_configs).toEqual([{ job_name: 'visage', dns_sd_configs: [{ names, type: 'SRV' }] }]);
  expect(service.spec.publishNotReadyAddresses).toBe(true);
  const rules = readFileSync(join(ROOT, 'config/prometheus/rules.yaml'), 'utf8');
  expect(new Set([...rules.matchAll(/\bjob="([^"]*)"/g)].map(([, job]) => job))).toEqual(new Set(['visage']));
});

test('figures that docs/operations.md has of the manifests and of Compose are theirs', () => {
  const page = readFileSync(join(ROOT, 'docs/operations.md'), 'utf8');
  const row = (what: string): string => new RegExp(`^\\| ${what}.*$`, 'm').exec(page)?.[0] ?? '';
  const { partitions, replicas, log } = settingsOf(workerContainer);
  expect(row('partitions')).toContain(`| ${loadSettings({ env: {} }).partitions}, the default | ${partitions} |`);
  const { worker: compose, environment } = composeOf();
  const heap = Number(/\d+$/.exec(environment.NODE_OPTIONS)![0]).toLocaleString('en');
  expect(row('heap')).toContain(`| ${heap} MB of ${compose.mem_limit.replace('g', ' GB')} |`);
  expect(row('`log.maxBytes`')).toContain(
    `| ${environment.VISAGE_LOG_MAX_BYTES.replace('GB', ' GB')}, a day; changes six hours;`,
  );
  expect([environment.VISAGE_LOG_MAX_AGE, environment.VISAGE_CHANGES_MAX_AGE]).toEqual(['1d', '6h']);
  expect(row('every message')).toContain(`\`replicas: ${replicas}\``);
  expect(row('`log.maxBytes`')).toContain(`| ${log.maxBytes! / 1024 ** 3} GB, for ever`);
  const { requests, limits } = workerContainer.resources;
  expect(row('heap')).toContain(
    `of ${limits['memory']!.replace('Gi', ' GiB')}, of which ${requests['memory']!.replace('Gi', '')} are`,
  );
  expect(page).toContain(`**${workerPod.spec.terminationGracePeriodSeconds} s** before it kills`);
});

function composeOf(): {
  readonly worker: { readonly mem_limit: string };
  readonly environment: Readonly<Record<string, string>> & Readonly<Record<'NODE_OPTIONS' | 'VISAGE_LOG_MAX_BYTES', string>>;
} {
  const compose = parse(readFileSync(join(ROOT, 'docker/compose.yaml'), 'utf8')) as Record<string, unknown>;
  return { worker: compose['x-worker'], environment: compose['x-worker-environment'] } as ReturnType<typeof composeOf>;
}

test('ports agree between settings, image, containers, probes, Services and the policy', () => {
  const { http, admin } = settingsOf(workerContainer);
  expect(textsOf(image, 'EXPOSE')).toEqual([`${http.port} ${admin.port}`]);
  expect(workerContainer.ports).toEqual([
    { name: 'http', containerPort: http.port },
    { name: 'admin', containerPort: admin.port },
  ]);
  expect(admin.host).toBe('0.0.0.0'); // the kubelet asks from outside
  const services = manifests
    .filter(({ kind }) => kind === 'Service')
    .map(({ spec }) => spec.ports.map((port) => port.targetPort));
  expect(services.sort()).toEqual([['admin'], ['http']]);
  const { ingress, policyTypes } = one('NetworkPolicy', 'visage-worker').spec;
  expect(policyTypes).toEqual(['Ingress']);
  // other pods reach it: callers have tokens, and no TLS, so not everybody may ask
  expect(http.host).toBe('0.0.0.0');
  expect(http.tokensFile).not.toBeNull();
  expect(workerContainer.args).not.toContain('--insecure');
  for (const { from, ports } of ingress) if (ports.some(({ port }) => port === 'http')) expect(from).toBeDefined();
  expect(ingress.flatMap(({ ports }) => ports.map(({ port }) => port)).sort()).toEqual(['admin', 'http']);
});

test('probes: alive by /healthz, ready by /readyz, never killed while it replays', () => {
  const { startupProbe, livenessProbe, readinessProbe } = workerContainer;
  expect(startupProbe.httpGet).toEqual({ path: '/healthz', port: 'admin' });
  expect(livenessProbe.httpGet).toEqual({ path: '/healthz', port: 'admin' });
  expect(readinessProbe.httpGet).toEqual({ path: '/readyz', port: 'admin' });
  expect(startupProbe.periodSeconds * startupProbe.failureThreshold).toBeGreaterThanOrEqual(300);
  // a collection of V8 or a checkpoint may hold the loop for a second; a restart costs a replay
  expect(livenessProbe.periodSeconds * livenessProbe.failureThreshold).toBeGreaterThanOrEqual(30);
});

test('a pod is not killed while it hands over, drains or answers', () => {
  expect(workerPod.spec.terminationGracePeriodSeconds * 1_000).toBeGreaterThan(stopMsMax());
});

test('the settings are accepted, each pod has a name of its own, and the data directory is the volume', () => {
  const settings = settingsOf(workerContainer);
  const instance = workerContainer.env.find(({ name }) => name === 'VISAGE_INSTANCE')!;
  expect(instance.valueFrom).toEqual({ fieldRef: { fieldPath: 'metadata.name' } });
  expect(config['worker.yaml']).not.toMatch(/^(instance|dataDirectory):/m);
  expect(settings.log.maxBytes).not.toBeNull(); // set-up needs it
  const [claim] = worker.spec.volumeClaimTemplates;
  const mount = workerContainer.volumeMounts.find(({ mountPath }) => mountPath === settings.dataDirectory)!;
  expect(mount).toEqual({ name: claim!.metadata.name, mountPath: textsOf(image, 'VOLUME')[0] });
});

test('the definitions are accepted, and the log keeps as much as they look back', () => {
  expect(beyondTheLog(definitionsOf(), settingsOf(setupContainer).log.maxAgeMs)).toEqual([]);
});

test.each([
  ['set-up', setup, registerSetup],
  ['worker', workerPod, registerWorker],
] as const)('%s: its command parses, its files are mounted, it has no rights and no secret', (name, { spec }, register) => {
  const [container] = spec.containers;
  expect(execForm(image, 'ENTRYPOINT')).toEqual(['node', 'dist/cli/main.js']);
  const program = new Command();
  register(program);
  parsed(program, container.args);
  const mounted = new Map(container.volumeMounts.map((mount) => [mount.mountPath, mount]));
  const settings = settingsOf(container);
  const tokens = name === 'worker' ? [settings.http.tokensFile!] : []; // set-up serves nothing
  const files = [...container.args.filter((word) => word.startsWith('/')), settings.nats.credentials!, ...tokens];
  expect(files.length).toBeGreaterThan(1);
  for (const file of files) {
    const mount = mounted.get(file.slice(0, file.lastIndexOf('/')))!;
    expect(mount, file).toMatchObject({ readOnly: true });
    const { configMap, secret } = spec.volumes.find((volume) => volume.name === mount.name)!;
    if (configMap !== undefined) expect(Object.keys(one('ConfigMap', configMap.name).data!)).toContain(file.split('/').at(-1));
    else expect(secret!.secretName).toMatch(/^visage-(nats|tokens)/);
  }
  const volumes = [
    ...spec.volumes,
    ...(name === 'worker' ? worker.spec.volumeClaimTemplates.map(({ metadata }) => metadata) : []),
  ];
  expect(container.volumeMounts.map((mount) => mount.name).sort()).toEqual(volumes.map((volume) => volume.name).sort());
  // a mount below another one needs a folder in it, which one that cannot be written does not get
  const paths = [...mounted.keys()];
  for (const path of paths) expect(paths.filter((other) => other.startsWith(`${path}/`))).toEqual([]);

  expect(settings.nats.inboxPrefix).toBe(name === 'worker' ? '_INBOX.worker' : '_INBOX.administrator');
  const [uid, gid] = textsOf(image, 'USER')[0]!.split(':').map(Number);
  expect(spec.securityContext).toMatchObject({ runAsNonRoot: true, runAsUser: uid, runAsGroup: gid, fsGroup: gid });
  expect(container.securityContext).toEqual({
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'] },
  });
  expect(spec.automountServiceAccountToken).toBe(false);
});

test('no Secret is in the files', () => {
  expect(manifests.map(({ kind }) => kind)).not.toContain('Secret');
  const text = readdirSync(FOLDER).map((file) => readFileSync(join(FOLDER, file), 'utf8'));
  expect(text.join('\n')).not.toMatch(/BEGIN .*(JWT|NKEY|SEED|PRIVATE)|^\s*(password|token): \S/im);
});

test('variables that Kubernetes adds for Services are not taken for settings', () => {
  const services = manifests.filter(({ kind }) => kind === 'Service').map(({ metadata }) => metadata.name);
  const added = services.map((name) => `${name.toUpperCase().replaceAll('-', '_')}_SERVICE_HOST`);
  expect(added.some((name) => name.startsWith('VISAGE_'))).toBe(true);
  expect(() => loadSettings({ env: { [added[0]!]: '10.0.0.1' } })).toThrow(/unknown environment variable/);
  for (const { spec } of [setup, workerPod]) expect(spec.enableServiceLinks).toBe(false);
});

test('the heap has the limit that docs/run.md advises, and the pod more than that', () => {
  const cacheBytes = settingsOf(workerContainer).cache.maxBytes;
  const option = workerContainer.env.find(({ name }) => name === 'NODE_OPTIONS')!.value!;
  const heapBytes = Number(/--max-old-space-size=(\d+)$/.exec(option)![1]) * MB;
  expect(heapBytes).toBe(2 * cacheBytes + 256 * MB);
  const { requests, limits } = workerContainer.resources;
  expect(bytes(requests['memory']!)).toBeGreaterThan(heapBytes + 256 * MB);
  expect(bytes(limits['memory']!)).toBeGreaterThan(bytes(requests['memory']!));
});
