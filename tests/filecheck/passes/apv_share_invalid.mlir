// RUN: not camc opt %s -p 'apv-share{budget=0}' 2>&1 | filecheck %s
// RUN: not camc opt %s -p 'apv-share{budget=101}' 2>&1 | filecheck %s
// RUN: not camc opt %s -p 'apv-share{effort=-1}' 2>&1 | filecheck %s

// CHECK: camc: error: apv-share:
// CHECK: hint: group and step are at least 0, budget is a percentage
builtin.module {
}
