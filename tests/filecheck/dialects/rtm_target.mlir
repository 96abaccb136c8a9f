// RUN: camc opt %s | camc opt | filecheck %s
// RUN: camc opt %s --print-op-generic | camc opt | filecheck %s
// RUN: camc opt %s -p 'convert-apv-to-rtm{columns=16}' | filecheck %s --check-prefix OTHER

// CHECK:      builtin.module attributes {rtm.target = #rtm.target<{
// CHECK-NEXT:   name = "mine"
// CHECK-NEXT:   description = "of \"quotes\" and <{brackets}\u003e"
// CHECK-NEXT:   rows = 2
// CHECK-NEXT:   columns = 32
// CHECK-NEXT:   domains = 16
// CHECK-NEXT:   arrays = 3
// CHECK-NEXT:   instruction_streams = 8
// CHECK-NEXT:   nanowires_per_cell = 4
// CHECK-NEXT:   search_cycles = 5
// CHECK-NEXT:   write_cycles = 6
// CHECK-NEXT:   buffer_bits_per_cycle = 7
// CHECK-NEXT:   shared_buffer_bits_per_cycle = 8
// CHECK-NEXT:   moves_overlap = true
// CHECK-NEXT: }>}

// A pass's own options change the machine that the module is compiled for.
// OTHER: name = "mine"
// OTHER: columns = 16
// OTHER: arrays = 3
builtin.module attributes {rtm.target = #rtm.target<{
  # In any order, as in a target file.
  rows = 2
  columns = 32
  domains = 16
  name = "mine"
  description = "of \"quotes\" and <{brackets}\u003e"
  arrays = 3
  instruction_streams = 8
  nanowires_per_cell = 4
  search_cycles = 5
  write_cycles = 6
  buffer_bits_per_cycle = 7
  shared_buffer_bits_per_cycle = 8
  moves_overlap = true
}>} {
}
