// The formats that `format` may name. PF1: each is checked in time linear in the text (tested with 100 KB made to be slow).
import { fullFormats } from 'ajv-formats/dist/formats.js';

const NAMES = [
  'date-time',
  'date',
  'time',
  'duration',
  'email',
  'hostname',
  'ipv4',
  'ipv6',
  'uri',
  'uri-reference',
  'uuid',
  'json-pointer',
] as const;

export const PAYLOAD_FORMATS = Object.fromEntries(NAMES.map((name) => [name, fullFormats[name]]));
