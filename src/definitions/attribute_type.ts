// What type an attribute has for the expressions that name it.
import { unreachable } from '../base/assert.ts';
import type { EventFunction } from '../aggregate/plan.ts';
import type { CompiledValue } from './compile_expression.ts';
import { UNKNOWN_TYPE, type InputType } from './computed_expression.ts';

/** @param value null for a function without one, and where it could not be compiled */
export function attributeType(function_: EventFunction, value: Pick<CompiledValue, 'type' | 'isText'> | null): InputType {
  switch (function_) {
    case 'count':
    case 'countDistinct':
      return typed('int');
    case 'sum':
    case 'average':
      return typed('double');
    case 'exists':
      return typed('bool');
    case 'min':
    case 'max':
      // its own mistake is reported; it must not make another here
      if (value === null) return { ...UNKNOWN_TYPE, isTime: true };
      return value.isText ? { type: 'string', isTime: true } : typed('double');
    case 'mostRecent':
    case 'earliest':
      return value === null ? UNKNOWN_TYPE : typed(known(value.type));
    case 'list':
      return typed(`list<${value === null ? 'dyn' : known(value.type)}>`);
    default:
      return unreachable(function_);
  }
}

function typed(type: string): InputType {
  return { type, isTime: false };
}

/** `null` alone is no type to compare with; a list of anything has a longer name in a declaration. */
function known(type: string): string {
  if (type === 'null') return 'dyn';
  return type === 'list' ? 'list<dyn>' : type;
}
