// The public door.
export { createWorker, type Worker, type WorkerOptions } from './worker/create_worker.ts';
export { openClient, type Client } from './worker/client.ts';
export { loadSettings } from './definitions/load_settings.ts';
export type { Settings } from './definitions/settings.ts';
export { loadDefinitionsFile } from './definitions/load_definitions.ts';
export { createProducer, type ProducerOptions } from './producer/create_producer.ts';
export type { Producer, SendOptions } from './producer/producer.ts';
export type { Sent } from './producer/delivery.ts';
export { VisageError, type ErrorKind } from './base/errors.ts';
export type { Identity } from './message/identity.ts';
export type { ProfileView, ComputedValue } from './profile/view.ts';
export type { ReadService, WorkerStatus } from './ports/reads.ts';
