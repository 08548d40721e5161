"""Azure in the embedded cloud: login and Azure Resource Manager over TLS. Standard library and cryptography only.

`front` turns an HTTP request into a `wire.Call`, `gates` refuses what must not pass, `routes` finds the handler.
Most handlers come from one description per resource type (`resources.ResourceType`): `resources.routes_of` makes
GET, PUT, PATCH, DELETE and the two lists of it. Whatever takes time is an operation (`operations.begin`), settled
by a module-level function, because what is under way is pickled with the rest of the world.

A VM's guest has the id `az-…` and is named by `private["guest"]` of its resource: so the world finds the hooks
`powered` and `restored` of its type. The life of guests goes through `world.shared` (guests, chores, timers).

Every module of this package may have `ROUTES` (method, path of types, action → handler) and `TYPES` (a list of
ResourceType); `routes` finds them there.
"""
