// RUN: not camc opt %s -p 'apv-share{budget=0}' 2>&1 | filecheck %s
// RUN: not camc opt %s -p 'apv-share{budget=101}' 2>&1 | filecheck %s
// RUN: not camc opt %s -p 'apv-share{effort=-1}' 2>&1 | filecheck %s

// CHECK: camc: error: apv-share:
// CHECK: hint: group is at least 0, budget a percentage
builtin.module {
}
