// What a caller must be allowed to do to use a route. A route that does not say is for nobody but `admin`.
export type RouteScope = 'open' | 'read' | 'write' | 'delete' | 'admin';
declare module 'fastify' {
  interface FastifyContextConfig {
    scope?: RouteScope;
  }
}
