// A body in which there is no object, and why.
import { refusal, type Refusal, type RefusalReason } from './refusal.ts';

export class Unreadable {
  readonly refusal: Refusal;

  constructor(message: string, reason: RefusalReason = 'malformed', pointer = '') {
    this.refusal = refusal(reason, pointer, message);
  }
}
