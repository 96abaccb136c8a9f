// RUN: camc opt %s --split-input-file --verify-diagnostics --parsing-diagnostics | filecheck %s

// CHECK: the target has no name
builtin.module attributes {rtm.target = #rtm.target<{
  rows = 2
}>} {
}

// -----

// CHECK: impossible geometry: columns must be 4 to 2048, found 3
builtin.module attributes {rtm.target = #rtm.target<{
  name = "narrow"
  columns = 3
}>} {
}

// -----

// CHECK: unknown key 'lanes'
builtin.module attributes {rtm.target = #rtm.target<{
  name = "other"
  lanes = 3
}>} {
}

// -----

// CHECK: not valid TOML
builtin.module attributes {rtm.target = #rtm.target<{
  name = small
}>} {
}
