// RUN: camc opt %s -p 'convert-apv-to-rtm{rows=64 columns=16 domains=8}' | filecheck %s

// Gather and scatter stay on the host; between them is one program with the rows of all windows.
// CHECK-LABEL: func.func @conv
// CHECK-SAME:    (%[[X:.*]]: tensor<?x1x3x3x!ternary.int<0, 1>>)
// CHECK-NEXT: %[[G1:.*]] = apv.gather %[[X]] window <kernel 2x2, pads 1x0x0x1> {pad = 1 : i64} : tensor<?x1x3x3x!ternary.int<0, 1>> -> tensor<?x4x!ternary.int<0, 1>, #ternary.rows<9>>
// CHECK-NEXT: %[[P1:.*]] = rtm.program %[[G1]] : (tensor<?x4x!ternary.int<0, 1>, #ternary.rows<9>>) -> tensor<?x2x!ternary.int<0, 1>, #ternary.rows<9>> geometry <64x16x8> {
// CHECK-NEXT:   rtm.segment "conv" code <{
// CHECK-NEXT:     %[[V0:[0-9]+]] : c{{[0-9]+}}[0] = in 0
// CHECK-NEXT:     %[[V1:[0-9]+]] : c{{[0-9]+}}[0] = in 2
// CHECK-NEXT:     %[[V2:[0-9]+]] : c{{[0-9]+}}[0:2] = zext %[[V0]]
// CHECK-NEXT:     %[[V3:[0-9]+]] : c{{[0-9]+}}[0:2]s = %[[V2]] -= %[[V1]] carry {{.*}}
// CHECK-NEXT:     %[[V4:[0-9]+]] : c{{[0-9]+}}[0] = in 3
// CHECK-NEXT:     %[[V5:[0-9]+]] : c{{[0-9]+}}[0:3]s = sext %[[V3]] carry {{.*}}
// CHECK-NEXT:     %[[V6:[0-9]+]] : c{{[0-9]+}}[0:3]s = %[[V5]] += %[[V4]] carry {{.*}}
// CHECK-NEXT:     %[[V7:[0-9]+]] : c{{[0-9]+}}[0] = in 1
// CHECK-NEXT:     %[[V8:[0-9]+]] : c{{[0-9]+}}[0:2] = zext %[[V7]]
// CHECK-NEXT:     %[[V9:[0-9]+]] : c{{[0-9]+}}[0:2] = %[[V8]] += %[[V1]] carry {{.*}}
// CHECK-NEXT:   }>
// CHECK-NEXT:   rtm.segment "act" code <{
// CHECK-NEXT:     %[[V6]] : c{{[0-9]+}}[0:3]s live
// CHECK-NEXT:     %[[V9]] : c{{[0-9]+}}[0:2] live
// CHECK-NEXT:     %[[V10:[0-9]+]] : c{{[0-9]+}}[0] = 0
// CHECK-NEXT:     %[[V11:[0-9]+]] : c{{[0-9]+}}[0] = %[[V6]] >= 0
// CHECK-NEXT:     %[[V12:[0-9]+]] : c{{[0-9]+}}[0] = %[[V10]] set 1 if %[[V11]]
// CHECK-NEXT:     %[[V13:[0-9]+]] : c{{[0-9]+}}[0] = 1
// CHECK-NEXT:     %[[V14:[0-9]+]] : c{{[0-9]+}}[0] = %[[V9]] >= 1
// CHECK-NEXT:     %[[V15:[0-9]+]] : c{{[0-9]+}}[0] = %[[V13]] set 0 if %[[V14]]
// CHECK-NEXT:   }>
// CHECK-NEXT:   rtm.segment "store {{.*}}" code <{
// CHECK-NEXT:     %[[V12]] : c{{[0-9]+}}[0] live
// CHECK-NEXT:     %[[V15]] : c{{[0-9]+}}[0] live
// CHECK-NEXT:     out 0 = %[[V12]]
// CHECK-NEXT:     out 1 = %[[V15]]
// CHECK-NEXT:   }>
// CHECK-NEXT: }
// CHECK-NEXT: %[[S1:.*]] = apv.scatter %[[P1]] : tensor<?x2x!ternary.int<0, 1>, #ternary.rows<9>> -> tensor<?x2x3x3x!ternary.int<0, 1>>
// CHECK-NEXT: func.return %[[S1]] : tensor<?x2x3x3x!ternary.int<0, 1>>
func.func @conv(%x: tensor<?x1x3x3x!ternary.int<0, 1>>) -> tensor<?x2x3x3x!ternary.int<0, 1>> {
  %x_1 = apv.gather %x window <kernel 2x2, pads 1x0x0x1> {pad = 1 : i64} : tensor<?x1x3x3x!ternary.int<0, 1>> -> tensor<?x4x!ternary.int<0, 1>, #ternary.rows<9>>
  %t_1 = apv.stage : tensor<?x2x!ternary.int<0, 1>, #ternary.rows<9>> {
    %x_2 = apv.load %x_1 : tensor<?x4x!ternary.int<0, 1>, #ternary.rows<9>> -> !apv.columns<4, 0, 1, rows 9>
    %a = apv.sum %x_2 : (!apv.columns<4, 0, 1, rows 9>) -> !apv.columns<2, -2, 2, rows 9> layer "conv" graph <{
      inputs 4 in 0..1
      %4 = %0 - %2 : i2
      %5 = %4 + %3 : i3
      %6 = %1 + %2 : u2
      out %5
      out -%6
    }>
    %t = apv.threshold %a : !apv.columns<2, -2, 2, rows 9> -> !apv.columns<2, 0, 1, rows 9> layer "act" thresholds <{
      up 0
    }>
    %t_1 = apv.store %t : !apv.columns<2, 0, 1, rows 9> -> tensor<?x2x!ternary.int<0, 1>, #ternary.rows<9>>
    apv.yield %t_1 : tensor<?x2x!ternary.int<0, 1>, #ternary.rows<9>>
  }
  %t_2 = apv.scatter %t_1 : tensor<?x2x!ternary.int<0, 1>, #ternary.rows<9>> -> tensor<?x2x3x3x!ternary.int<0, 1>>
  func.return %t_2 : tensor<?x2x3x3x!ternary.int<0, 1>>
}

// Windows of other rows take a program each. The greater of two values replaces the other one where a flag says so.
// CHECK-LABEL: func.func @pool
// CHECK-SAME:    (%[[X:.*]]: tensor<?x2x4x4x!ternary.int<-1, 2>>)
// CHECK-NEXT: %[[G1:.*]] = apv.gather %[[X]] window <kernel 2x2, strides 2x2, pads 1x0x1x0> {pad = -1 : i64} : tensor<?x2x4x4x!ternary.int<-1, 2>> -> tensor<?x8x!ternary.int<-1, 2>, #ternary.rows<6>>
// CHECK-NEXT: %[[G2:.*]] = apv.gather %[[X]] window <kernel 2x2> : tensor<?x2x4x4x!ternary.int<-1, 2>> -> tensor<?x8x!ternary.int<-1, 2>, #ternary.rows<9>>
// CHECK-NEXT: %[[P1:.*]] = rtm.program %[[G1]] : (tensor<?x8x!ternary.int<-1, 2>, #ternary.rows<6>>) -> tensor<?x2x!ternary.int<-1, 2>, #ternary.rows<6>> geometry <64x16x8> {
// CHECK-NEXT:   rtm.segment "max" code <{
// CHECK-NEXT:     %[[V0:[0-9]+]] : c{{[0-9]+}}[0:3]s = in 0
// CHECK-NEXT:     %[[V1:[0-9]+]] : c{{[0-9]+}}[0:3]s = in 1
// CHECK-NEXT:     %[[V2:[0-9]+]] : c{{[0-9]+}}[0] = %[[V1]] >= %[[V0]]
// CHECK-NEXT:     %[[V3:[0-9]+]] : c{{[0-9]+}}[0:3]s = %[[V0]] set %[[V1]] if %[[V2]]
// CHECK-NEXT:     %[[V4:[0-9]+]] : c{{[0-9]+}}[0:3]s = in 2
// CHECK-NEXT:     %[[V5:[0-9]+]] : c{{[0-9]+}}[0] = %[[V4]] >= %[[V3]]
// CHECK-NEXT:     %[[V6:[0-9]+]] : c{{[0-9]+}}[0:3]s = %[[V3]] set %[[V4]] if %[[V5]]
// CHECK-NEXT:     %[[V7:[0-9]+]] : c{{[0-9]+}}[0:3]s = in 3
// CHECK-NEXT:     %[[V8:[0-9]+]] : c{{[0-9]+}}[0] = %[[V7]] >= %[[V6]]
// CHECK-NEXT:     %[[V9:[0-9]+]] : c{{[0-9]+}}[0:3]s = %[[V6]] set %[[V7]] if %[[V8]]
// CHECK-NEXT:     %[[V10:[0-9]+]] : c{{[0-9]+}}[0:3]s = in 4
// CHECK-NEXT:     %[[V11:[0-9]+]] : c{{[0-9]+}}[0:3]s = in 5
// CHECK-NEXT:     %[[V12:[0-9]+]] : c{{[0-9]+}}[0] = %[[V11]] >= %[[V10]]
// CHECK-NEXT:     %[[V13:[0-9]+]] : c{{[0-9]+}}[0:3]s = %[[V10]] set %[[V11]] if %[[V12]]
// CHECK-NEXT:     %[[V14:[0-9]+]] : c{{[0-9]+}}[0:3]s = in 6
// CHECK-NEXT:     %[[V15:[0-9]+]] : c{{[0-9]+}}[0] = %[[V14]] >= %[[V13]]
// CHECK-NEXT:     %[[V16:[0-9]+]] : c{{[0-9]+}}[0:3]s = %[[V13]] set %[[V14]] if %[[V15]]
// CHECK-NEXT:     %[[V17:[0-9]+]] : c{{[0-9]+}}[0:3]s = in 7
// CHECK-NEXT:     %[[V18:[0-9]+]] : c{{[0-9]+}}[0] = %[[V17]] >= %[[V16]]
// CHECK-NEXT:     %[[V19:[0-9]+]] : c{{[0-9]+}}[0:3]s = %[[V16]] set %[[V17]] if %[[V18]]
// CHECK-NEXT:   }>
// CHECK-NEXT:   rtm.segment "store {{.*}}" code <{
// CHECK-NEXT:     %[[V9]] : c{{[0-9]+}}[0:3]s live
// CHECK-NEXT:     %[[V19]] : c{{[0-9]+}}[0:3]s live
// CHECK-NEXT:     out 0 = %[[V9]]
// CHECK-NEXT:     out 1 = %[[V19]]
// CHECK-NEXT:   }>
// CHECK-NEXT: }
// CHECK-NEXT: %[[P2:.*]] = rtm.program %[[G2]] : (tensor<?x8x!ternary.int<-1, 2>, #ternary.rows<9>>) -> tensor<?x2x!ternary.int<-4, 8>, #ternary.rows<9>> geometry <64x16x8> {
// CHECK-NEXT:   rtm.segment "avg" code <{
// CHECK-NEXT:     %[[V0:[0-9]+]] : c{{[0-9]+}}[0:3]s = in 0
// CHECK-NEXT:     %[[V1:[0-9]+]] : c{{[0-9]+}}[0:3]s = in 1
// CHECK-NEXT:     %[[V2:[0-9]+]] : c{{[0-9]+}}[0:4]s = sext %[[V0]] carry {{.*}}
// CHECK-NEXT:     %[[V3:[0-9]+]] : c{{[0-9]+}}[0:4]s = %[[V2]] += %[[V1]] carry {{.*}}
// CHECK-NEXT:     %[[V4:[0-9]+]] : c{{[0-9]+}}[0:3]s = in 2
// CHECK-NEXT:     %[[V5:[0-9]+]] : c{{[0-9]+}}[0:4]s = %[[V3]] += %[[V4]] carry {{.*}}
// CHECK-NEXT:     %[[V6:[0-9]+]] : c{{[0-9]+}}[0:3]s = in 3
// CHECK-NEXT:     %[[V7:[0-9]+]] : c{{[0-9]+}}[0:5]s = sext %[[V5]] carry {{.*}}
// CHECK-NEXT:     %[[V8:[0-9]+]] : c{{[0-9]+}}[0:5]s = %[[V7]] += %[[V6]] carry {{.*}}
// CHECK-NEXT:     %[[V9:[0-9]+]] : c{{[0-9]+}}[0:3]s = in 4
// CHECK-NEXT:     %[[V10:[0-9]+]] : c{{[0-9]+}}[0:3]s = in 5
// CHECK-NEXT:     %[[V11:[0-9]+]] : c{{[0-9]+}}[0:4]s = sext %[[V9]] carry {{.*}}
// CHECK-NEXT:     %[[V12:[0-9]+]] : c{{[0-9]+}}[0:4]s = %[[V11]] += %[[V10]] carry {{.*}}
// CHECK-NEXT:     %[[V13:[0-9]+]] : c{{[0-9]+}}[0:3]s = in 6
// CHECK-NEXT:     %[[V14:[0-9]+]] : c{{[0-9]+}}[0:4]s = %[[V12]] += %[[V13]] carry {{.*}}
// CHECK-NEXT:     %[[V15:[0-9]+]] : c{{[0-9]+}}[0:3]s = in 7
// CHECK-NEXT:     %[[V16:[0-9]+]] : c{{[0-9]+}}[0:5]s = sext %[[V14]] carry {{.*}}
// CHECK-NEXT:     %[[V17:[0-9]+]] : c{{[0-9]+}}[0:5]s = %[[V16]] += %[[V15]] carry {{.*}}
// CHECK-NEXT:   }>
// CHECK-NEXT:   rtm.segment "store {{.*}}" code <{
// CHECK-NEXT:     %[[V8]] : c{{[0-9]+}}[0:5]s live
// CHECK-NEXT:     %[[V17]] : c{{[0-9]+}}[0:5]s live
// CHECK-NEXT:     out 0 = %[[V8]]
// CHECK-NEXT:     out 1 = %[[V17]]
// CHECK-NEXT:   }>
// CHECK-NEXT: }
// CHECK-NEXT: %[[S1:.*]] = apv.scatter %[[P1]] : tensor<?x2x!ternary.int<-1, 2>, #ternary.rows<6>> -> tensor<?x2x3x2x!ternary.int<-1, 2>>
// CHECK-NEXT: %[[S2:.*]] = apv.scatter %[[P2]] : tensor<?x2x!ternary.int<-4, 8>, #ternary.rows<9>> -> tensor<?x2x3x3x!ternary.int<-4, 8>>
// CHECK-NEXT: func.return %[[S1]], %[[S2]] : tensor<?x2x3x2x!ternary.int<-1, 2>>, tensor<?x2x3x3x!ternary.int<-4, 8>>
func.func @pool(%x: tensor<?x2x4x4x!ternary.int<-1, 2>>) -> (tensor<?x2x3x2x!ternary.int<-1, 2>>, tensor<?x2x3x3x!ternary.int<-4, 8>>) {
  %x_1 = apv.gather %x window <kernel 2x2, strides 2x2, pads 1x0x1x0> {pad = -1 : i64} : tensor<?x2x4x4x!ternary.int<-1, 2>> -> tensor<?x8x!ternary.int<-1, 2>, #ternary.rows<6>>
  %x_3 = apv.gather %x window <kernel 2x2> : tensor<?x2x4x4x!ternary.int<-1, 2>> -> tensor<?x8x!ternary.int<-1, 2>, #ternary.rows<9>>
  %m_1 = apv.stage : tensor<?x2x!ternary.int<-1, 2>, #ternary.rows<6>> {
    %x_2 = apv.load %x_1 : tensor<?x8x!ternary.int<-1, 2>, #ternary.rows<6>> -> !apv.columns<8, -1, 2, rows 6>
    %m = apv.max %x_2 {size = 4 : i64} : !apv.columns<8, -1, 2, rows 6> -> !apv.columns<2, -1, 2, rows 6> layer "max"
    %m_1 = apv.store %m : !apv.columns<2, -1, 2, rows 6> -> tensor<?x2x!ternary.int<-1, 2>, #ternary.rows<6>>
    apv.yield %m_1 : tensor<?x2x!ternary.int<-1, 2>, #ternary.rows<6>>
  }
  %s_1 = apv.stage : tensor<?x2x!ternary.int<-4, 8>, #ternary.rows<9>> {
    %x_4 = apv.load %x_3 : tensor<?x8x!ternary.int<-1, 2>, #ternary.rows<9>> -> !apv.columns<8, -1, 2, rows 9>
    %s = apv.sum %x_4 : (!apv.columns<8, -1, 2, rows 9>) -> !apv.columns<2, -4, 8, rows 9> layer "avg" graph <{
      inputs 8 in -1..2
      %8 = %0 + %1 : i4
      %9 = %8 + %2 : i4
      %10 = %9 + %3 : i5
      %11 = %4 + %5 : i4
      %12 = %11 + %6 : i4
      %13 = %12 + %7 : i5
      out %10
      out %13
    }>
    %s_1 = apv.store %s : !apv.columns<2, -4, 8, rows 9> -> tensor<?x2x!ternary.int<-4, 8>, #ternary.rows<9>>
    apv.yield %s_1 : tensor<?x2x!ternary.int<-4, 8>, #ternary.rows<9>>
  }
  %m_2 = apv.scatter %m_1 : tensor<?x2x!ternary.int<-1, 2>, #ternary.rows<6>> -> tensor<?x2x3x2x!ternary.int<-1, 2>>
  %s_2 = apv.scatter %s_1 : tensor<?x2x!ternary.int<-4, 8>, #ternary.rows<9>> -> tensor<?x2x3x3x!ternary.int<-4, 8>>
  func.return %m_2, %s_2 : tensor<?x2x3x2x!ternary.int<-1, 2>>, tensor<?x2x3x3x!ternary.int<-4, 8>>
}

// The second program reads windows of the first one's result, and that result itself.
// CHECK-LABEL: func.func @residual
// CHECK-SAME:    (%[[X:.*]]: tensor<?x1x2x2x!ternary.int<0, 1>>)
// CHECK-NEXT: %[[G1:.*]] = apv.gather %[[X]] window <kernel 1x1> : tensor<?x1x2x2x!ternary.int<0, 1>> -> tensor<?x1x!ternary.int<0, 1>, #ternary.rows<4>>
// CHECK-NEXT: %[[P1:.*]] = rtm.program %[[G1]] : (tensor<?x1x!ternary.int<0, 1>, #ternary.rows<4>>) -> tensor<?x1x!ternary.int<0, 1>, #ternary.rows<4>> geometry <64x16x8> {
// CHECK-NEXT:   rtm.segment "store {{.*}}" code <{
// CHECK-NEXT:     %[[V0:[0-9]+]] : c{{[0-9]+}}[0] = in 0
// CHECK-NEXT:     out 0 = %[[V0]]
// CHECK-NEXT:   }>
// CHECK-NEXT: }
// CHECK-NEXT: %[[S1:.*]] = apv.scatter %[[P1]] : tensor<?x1x!ternary.int<0, 1>, #ternary.rows<4>> -> tensor<?x1x2x2x!ternary.int<0, 1>>
// CHECK-NEXT: %[[G2:.*]] = apv.gather %[[S1]] window <kernel 3x3, pads 1x1x1x1> : tensor<?x1x2x2x!ternary.int<0, 1>> -> tensor<?x9x!ternary.int<0, 1>, #ternary.rows<4>>
// CHECK-NEXT: %[[G3:.*]] = apv.gather %[[S1]] window <kernel 1x1> : tensor<?x1x2x2x!ternary.int<0, 1>> -> tensor<?x1x!ternary.int<0, 1>, #ternary.rows<4>>
// CHECK-NEXT: %[[P2:.*]] = rtm.program %[[G2]], %[[G3]] : (tensor<?x9x!ternary.int<0, 1>, #ternary.rows<4>>, tensor<?x1x!ternary.int<0, 1>, #ternary.rows<4>>) -> tensor<?x1x!ternary.int<-2, 5>, #ternary.rows<4>> geometry <64x16x8> {
// CHECK-NEXT:   rtm.segment "conv" code <{
// CHECK-NEXT:     %[[V0:[0-9]+]] : c{{[0-9]+}}[0] = in 0
// CHECK-NEXT:     %[[V1:[0-9]+]] : c{{[0-9]+}}[0] = in 2
// CHECK-NEXT:     %[[V2:[0-9]+]] : c{{[0-9]+}}[0:2] = zext %[[V0]]
// CHECK-NEXT:     %[[V3:[0-9]+]] : c{{[0-9]+}}[0:2]s = %[[V2]] -= %[[V1]] carry {{.*}}
// CHECK-NEXT:     %[[V4:[0-9]+]] : c{{[0-9]+}}[0] = in 4
// CHECK-NEXT:     %[[V5:[0-9]+]] : c{{[0-9]+}}[0:3]s = sext %[[V3]] carry {{.*}}
// CHECK-NEXT:     %[[V6:[0-9]+]] : c{{[0-9]+}}[0:3]s = %[[V5]] += %[[V4]] carry {{.*}}
// CHECK-NEXT:     %[[V7:[0-9]+]] : c{{[0-9]+}}[0] = in 6
// CHECK-NEXT:     %[[V8:[0-9]+]] : c{{[0-9]+}}[0:3]s = %[[V6]] -= %[[V7]] carry {{.*}}
// CHECK-NEXT:   }>
// CHECK-NEXT:   rtm.segment "add" code <{
// CHECK-NEXT:     %[[V8]] : c{{[0-9]+}}[0:3]s live
// CHECK-NEXT:     %[[V9:[0-9]+]] : c{{[0-9]+}}[0] = in 9
// CHECK-NEXT:     %[[V10:[0-9]+]] : c{{[0-9]+}}[0:3]s = %[[V8]] -= %[[V9]] carry {{.*}}
// CHECK-NEXT:     %[[V11:[0-9]+]] : c{{[0-9]+}}[0:4]s = sext %[[V10]] carry {{.*}}
// CHECK-NEXT:     %[[V12:[0-9]+]] : c{{[0-9]+}}[0:4]s = %[[V11]] += %[[V9]]<<2 carry {{.*}}
// CHECK-NEXT:   }>
// CHECK-NEXT:   rtm.segment "store {{.*}}" code <{
// CHECK-NEXT:     %[[V12]] : c{{[0-9]+}}[0:4]s live
// CHECK-NEXT:     out 0 = %[[V12]]
// CHECK-NEXT:   }>
// CHECK-NEXT: }
// CHECK-NEXT: %[[S2:.*]] = apv.scatter %[[P2]] : tensor<?x1x!ternary.int<-2, 5>, #ternary.rows<4>> -> tensor<?x1x2x2x!ternary.int<-2, 5>>
// CHECK-NEXT: func.return %[[S2]] : tensor<?x1x2x2x!ternary.int<-2, 5>>
func.func @residual(%x: tensor<?x1x2x2x!ternary.int<0, 1>>) -> tensor<?x1x2x2x!ternary.int<-2, 5>> {
  %x_1 = apv.gather %x window <kernel 1x1> : tensor<?x1x2x2x!ternary.int<0, 1>> -> tensor<?x1x!ternary.int<0, 1>, #ternary.rows<4>>
  %a_1 = apv.stage : tensor<?x1x!ternary.int<0, 1>, #ternary.rows<4>> {
    %x_2 = apv.load %x_1 : tensor<?x1x!ternary.int<0, 1>, #ternary.rows<4>> -> !apv.columns<1, 0, 1, rows 4>
    %a = apv.sum %x_2 : (!apv.columns<1, 0, 1, rows 4>) -> !apv.columns<1, 0, 1, rows 4> layer "point" graph <{
      inputs 1 in 0..1
      out %0
    }>
    %a_1 = apv.store %a : !apv.columns<1, 0, 1, rows 4> -> tensor<?x1x!ternary.int<0, 1>, #ternary.rows<4>>
    apv.yield %a_1 : tensor<?x1x!ternary.int<0, 1>, #ternary.rows<4>>
  }
  %a_2 = apv.scatter %a_1 : tensor<?x1x!ternary.int<0, 1>, #ternary.rows<4>> -> tensor<?x1x2x2x!ternary.int<0, 1>>
  %a_3 = apv.gather %a_2 window <kernel 3x3, pads 1x1x1x1> : tensor<?x1x2x2x!ternary.int<0, 1>> -> tensor<?x9x!ternary.int<0, 1>, #ternary.rows<4>>
  %a_5 = apv.gather %a_2 window <kernel 1x1> : tensor<?x1x2x2x!ternary.int<0, 1>> -> tensor<?x1x!ternary.int<0, 1>, #ternary.rows<4>>
  %c_1 = apv.stage : tensor<?x1x!ternary.int<-2, 5>, #ternary.rows<4>> {
    %a_4 = apv.load %a_3 : tensor<?x9x!ternary.int<0, 1>, #ternary.rows<4>> -> !apv.columns<9, 0, 1, rows 4>
    %b = apv.sum %a_4 : (!apv.columns<9, 0, 1, rows 4>) -> !apv.columns<1, -2, 2, rows 4> layer "conv" graph <{
      inputs 9 in 0..1
      %9 = %0 - %2 : i2
      %10 = %9 + %4 : i3
      %11 = %10 - %6 : i3
      out %11
    }>
    %a_6 = apv.load %a_5 : tensor<?x1x!ternary.int<0, 1>, #ternary.rows<4>> -> !apv.columns<1, 0, 1, rows 4>
    %c = apv.sum %b, %a_6 : (!apv.columns<1, -2, 2, rows 4>, !apv.columns<1, 0, 1, rows 4>) -> !apv.columns<1, -2, 5, rows 4> layer "add" graph <{
      inputs 1 in -2..2
      inputs 1 in 0..1
      %2 = %0 - %1 : i3
      %3 = %2 + %1<<2 : i4
      out %3
    }>
    %c_1 = apv.store %c : !apv.columns<1, -2, 5, rows 4> -> tensor<?x1x!ternary.int<-2, 5>, #ternary.rows<4>>
    apv.yield %c_1 : tensor<?x1x!ternary.int<-2, 5>, #ternary.rows<4>>
  }
  %c_2 = apv.scatter %c_1 : tensor<?x1x!ternary.int<-2, 5>, #ternary.rows<4>> -> tensor<?x1x2x2x!ternary.int<-2, 5>>
  func.return %c_2 : tensor<?x1x2x2x!ternary.int<-2, 5>>
}
