// Names a message by its content, so that a log that was rewound and grew again is noticed.
import { fnv1a32, fnv1a32Bytes } from '../base/fnv1a.ts';
import type { LogMessage } from './log_message.ts';

/** 64 bits over stamp, subject and body, as hex. Cost: about 1 ns a byte. */
export function fingerprint(message: Pick<LogMessage, 'stampMs' | 'subject' | 'body'>): string {
  const seed = fnv1a32(`${message.stampMs}\n${message.subject}`);
  const a = fnv1a32Bytes(message.body, seed);
  const b = fnv1a32Bytes(message.body, Math.imul(seed, 0x9e3779b1) ^ message.body.length);
  return a.toString(16).padStart(8, '0') + b.toString(16).padStart(8, '0');
}
