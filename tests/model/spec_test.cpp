#include "model/spec.h"

#include <gtest/gtest.h>
