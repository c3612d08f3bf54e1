#pragma once
#include <hls/ap_fixpt.hpp>
