// Definitions with one window, for the benches of expiry: what a customer's orders of that window came to.
import type { DefinitionsDocument } from '../src/definitions/definitions_document.ts';
import { parseDefinitionsDocument } from '../src/definitions/load_definitions.ts';
import { formatDuration } from '../src/base/time.ts';

/** `spend` and `orders`, over the last `windowMs`. */
export function shortWindow(windowMs: number): DefinitionsDocument {
  const common = { class: 'individual', eventTypes: ['commerce.purchases'], window: { sliding: formatDuration(windowMs) } };
  return parseDefinitionsDocument(
    JSON.stringify({
      version: 1,
      namespaces: { customerId: { type: 'person', priority: 1 } },
      schemas: {
        purchase: {
          class: 'individual',
          behavior: 'event',
          jsonSchema: {
            type: 'object',
            properties: {
              commerce: {
                type: 'object',
                properties: { order: { type: 'object', properties: { priceTotal: { type: 'number' } } } },
              },
            },
          },
        },
      },
      datasets: { orders: { schema: 'purchase', profile: true } },
      computedAttributes: {
        orders: { ...common, function: 'count' },
        spend: { ...common, value: 'event.commerce.order.priceTotal', function: 'sum' },
      },
    }),
  );
}
