// The public door.
export { createWorker, type Worker, type WorkerOptions } from './worker/create_worker.ts';
export { openClient, type Client } from './worker/client.ts';
export { createReader, type Reader, type ReaderOptions } from './worker/create_reader.ts';
export { loadSettings } from './definitions/load_settings.ts';
export type { Settings } from './definitions/settings.ts';
export { loadDefinitionsFile } from './definitions/load_definitions.ts';
export { createProducer, type ProducerOptions } from './producer/create_producer.ts';
export type { Producer, SendOptions } from './producer/producer.ts';
export type { Sent } from './producer/delivery.ts';
export { VisageError, type ErrorKind } from './base/errors.ts';
export type { Identity } from './message/identity.ts';
export type { ProfileView, ComputedValue } from './profile/view.ts';
export type { ChangeCause, ChangeEvent, ProfileShape, TypedProfile, ValueChange } from './profile/change_event.ts';
export type { Changed, ChangeStream, FollowOptions } from './stream/follow_changes.ts';
export type { EventsPage, ListedEvent } from './profile/events_page.ts';
export type { Explanation, FieldExplanation } from './profile/explanation.ts';
export type { ReadService, WorkerStatus } from './ports/reads.ts';
