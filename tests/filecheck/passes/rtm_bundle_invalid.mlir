// RUN: not camc opt %s -p 'rtm-bundle{effort=4}' 2>&1 | filecheck %s --check-prefix EFFORT
// RUN: not camc opt %s -p 'rtm-bundle{objective=beauty}' 2>&1 | filecheck %s --check-prefix OBJECTIVE

// EFFORT: camc: error: rtm-bundle: effort 4
// EFFORT: hint: effort is 0 to 3
// OBJECTIVE: camc: error: {{.*}}beauty

func.func @nothing() {
  func.return
}
